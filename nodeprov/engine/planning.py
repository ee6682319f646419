"""What every plan needs: states that are read in one round trip, refusals, and changes with their restart."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nodeprov.engine import leftovers
from nodeprov.errors import Problem, Problems
from nodeprov.hosts.base import Place, Readers
from nodeprov.inventory import Settings
from nodeprov.kubernetes.draining import Leaving, read_leaving
from nodeprov.kubernetes.scheduling import cluster_states
from nodeprov.node.daemon import Daemon
from nodeprov.node.imported_files import Imports, ImportsQuery, followed, patterns_of
from nodeprov.node.pending_changes import pending_problems
from nodeprov.node.state import NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.goal import Change, Goal
from nodeprov.plan.steps import Drain, Made, Proof, Restart, Serving, Step, Swap, Wait, parts
from nodeprov.states import State


def refuse(state: NodeState, problems: Sequence[Problem]) -> None:
    """Raise Problems if there are any."""
    if problems:
        raise Problems(problems, where=state.node.name)


def read_states(
    state: NodeState, goals: Sequence[Goal], unneeded: Sequence[Goal], readers: Readers
) -> tuple[dict[str, State | None], Imports]:
    """Read states on the node, and what its configuration imports, in one round trip; the others are known."""
    patterns = patterns_of(state.daemon)
    resources = [goal.resource for goal in goals if goal.resource.place is Place.NODE]
    reader = readers[Place.NODE]
    *answers, imported = reader.ask([*(resource.query for resource in resources), ImportsQuery(patterns)])
    imports = followed(reader, patterns, imported)
    states = dict(zip((resource.key for resource in resources), answers, strict=True))
    if state.cluster is not None:
        states |= cluster_states(state.cluster, goals)
    states |= leftovers.known_states(state.footprint, unneeded)
    return states | {key: each for key, each in state.assumed.items() if key in states}, imports


def restart_problems(
    state: NodeState, steps: Sequence[Step], imports: Imports, readers: Readers
) -> Iterator[Problem]:
    """Find what blocks an edit of the configuration, and the restart, among that which others have left for it."""
    pending = [text for step in steps if isinstance(step, Swap) for text in step.restart.activates]
    edits = any(isinstance(part, Change) and isinstance(part.resource, ContainerdConfig) for part in parts(steps))
    machine = state.machine if edits else None
    return pending_problems(readers[Place.NODE], machine, state.daemon, state.settings, pending, imports.files)


def swapped(
    daemon: Daemon,
    changes: Sequence[Change],
    restart: Restart | None,
    *,
    handler: str,
    meanwhile: tuple[Proof, ...] = (),
) -> tuple[Step, ...]:
    """Have the node itself make changes and the restart that they need; without one they are plain writes.

    Where a distribution makes the configuration of what was edited, it is seen to have done so: with the table of
    `handler`, or without ours if that is "".
    """
    if restart is None:
        return tuple(changes)
    swap = Swap(tuple(changes), restart, Serving(), meanwhile)
    if daemon.source is None:
        return (swap,)
    how = f"{'with' if handler else 'without'} our table"
    return (swap, Made(f"{daemon.distribution.title} has made {daemon.config_path} {how}", handler))


def drained(state: NodeState, steps: tuple[Step, ...], readers: Readers) -> tuple[Step, ...]:
    """Have pods evicted, or waited for, before a restart or an eviction, as the settings ask for it."""
    rollout = state.settings.rollout
    first = next((step for step in steps if isinstance(step, Drain)), None)  # of sandboxed pods, in an uninstall
    at = next((number for number, step in enumerate(steps) if isinstance(step, Swap)), None)
    is_asked = (at is not None and (rollout.drain or rollout.wait_for)) or (first and rollout.wait_for)
    if state.cluster is None or not is_asked:
        return steps
    leaving = read_leaving(readers[Place.CLUSTER], state.settings, state.node.name)
    refuse(state, leaving.problems)
    drain = _drain(state.settings, leaving)
    if first is not None:
        steps = tuple(replace(first, wait=drain.wait) if step is first else step for step in steps)
        drain = replace(
            drain, pods=tuple(pod for pod in drain.pods if pod not in first.pods), losses=(), wait=None
        )
    if at is None or not (drain.whole or drain.wait):
        return steps
    return (*steps[:at], drain, *steps[at:])


def _drain(settings: Settings, leaving: Leaving) -> Drain:
    rollout, wait = settings.rollout, None
    if rollout.wait_for is not None:
        evicts = rollout.wait_then == "evict"
        wait = Wait(rollout.wait_for, rollout.wait_timeout_seconds, evicts, leaving.awaited)
    return Drain(leaving.pods, leaving.losses, rollout.drain, wait)
