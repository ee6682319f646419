"""What every plan needs: states that are read in one round trip, refusals, and changes with their restart."""

from collections.abc import Iterator, Sequence

from nodeprov.engine import leftovers
from nodeprov.errors import Problem, Problems
from nodeprov.hosts.base import Place, Readers
from nodeprov.kubernetes.scheduling import cluster_states
from nodeprov.node.daemon import Daemon
from nodeprov.node.imported_files import Imports, ImportsQuery, followed, patterns_of
from nodeprov.node.pending_changes import pending_problems
from nodeprov.node.state import NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.goal import Change, Goal
from nodeprov.plan.steps import Made, Proof, Restart, Serving, Step, Swap, parts
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
    return states | leftovers.known_states(state.footprint, unneeded), imports


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
