"""Going back to an earlier generation, and removing those that nobody needs; what an install makes of it."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace

from nodeprov.engine import generations, leftovers, notes
from nodeprov.engine.generations import Standing
from nodeprov.engine.look import Gc, Rollback
from nodeprov.engine.planning import read_states, refuse, restart_problems, swapped
from nodeprov.errors import Problem
from nodeprov.hosts.base import Place, Reader, Readers
from nodeprov.node import loaded_config, runtime_table
from nodeprov.node.as_installed import generation_differences
from nodeprov.node.imported_files import import_problems
from nodeprov.node.receipts import Receipt
from nodeprov.node.state import NodeState
from nodeprov.plan.files import Link
from nodeprov.plan.goal import Goal, constant, decide
from nodeprov.plan.plan import GC, UNINSTALL, Plan
from nodeprov.plan.steps import Sandbox
from nodeprov.runtimes.family import Family, former_runtimes
from nodeprov.states import LinkState

HOLD = "hold"


def plan_rollback(state: NodeState, want: Rollback, readers: Readers) -> tuple[NodeState, Plan, str]:
    """Plan to put a generation in force that is on the node: its proof, one rename, and a restart in strict mode.

    Returns with it the state that it is for, and the release by the name of its folder.
    It is proven before the rename: what does not run is not gone back to.
    """
    refuse(state, _problems(state))
    found = generations.meant(state, want.to)
    name, release = state.node.name, posixpath.basename(found.release)
    current = Link(state.layout.current, within=state.layout.parent)
    goals: tuple[Goal, ...] = (Goal(current, constant(LinkState(found.digest)), "the commit: one rename"),)
    family, strict = want.family, _is_strict(state, want.family)
    if strict:
        state = replace(state, layout=state.layout.naming(found.digest))
        runtime = family.runtime(state.layout)
        former = former_runtimes(family, state.layout)
        goals += runtime_table.config_goals(state.daemon, state.settings, runtime, former)
    states, imports = read_states(state, goals, (), readers)
    changes = decide(goals, states)
    config = [change for change in changes if change.resource.swapped]
    restart = None
    if strict:
        refuse(state, tuple(import_problems(state.daemon, runtime, imports)))
        record = state.footprint.record
        restart = loaded_config.restart(state.daemon, record, runtime, changes, imports.files, served=True)
    if not changes and restart is None:
        return state, Plan(name, Rollback.action, (), notes.of_stay(state)), release
    refuse(state, _damage_problems(readers[Place.NODE], state, found))
    steps = (
        Sandbox("a sandbox runs through the generation", found.folder),
        *(change for change in changes if change not in config),
        *swapped(state.daemon, config, restart, handler=state.layout.handler),
    )
    refuse(state, tuple(restart_problems(state, steps, imports, readers)))
    said = notes.of_rollback(state, family, release, steps)
    releases = (generations.release_in_force(state), release)
    return state, Plan(name, Rollback.action, steps, said, releases=releases), release


def plan_gc(state: NodeState, want: Gc, readers: Readers) -> Plan:
    """Plan to remove what nothing needs, and say what is kept, and for whom."""
    refuse(state, _gc_problems(state))
    unneeded = leftovers.in_gc(state)
    mounts = leftovers.mount_goals(state, want.family.leaves_mounted)
    queries = [goal.resource.query for goal in mounts]
    found = dict(zip((goal.resource.key for goal in mounts), readers[Place.NODE].ask(queries), strict=True))
    changes = decide((*unneeded, *mounts), leftovers.known_states(state.footprint, unneeded) | found)
    return Plan(state.node.name, Gc.action, changes, notes.of_gc(state))


def _problems(state: NodeState) -> tuple[Problem, ...]:
    """Find why there is nothing to go back from."""
    name, broken = state.node.name, state.history.interrupted
    if broken is not None and broken.action == UNINSTALL.name:
        return (_interrupted(state, broken),)
    if not generations.in_force(state):
        return (
            Problem(
                f"nothing is installed for the handler {state.layout.handler}", f"nodeprov install {name} installs"
            ),
        )
    return ()


def _gc_problems(state: NodeState) -> tuple[Problem, ...]:
    """Find why it cannot be told now what is needed."""
    broken = state.history.interrupted
    if broken is None or broken.action == GC.name:
        return ()
    return (_interrupted(state, broken),)


def _interrupted(state: NodeState, broken: Receipt) -> Problem:
    return Problem(
        f"an earlier {broken.action} by {broken.by} began at {broken.began} and did not end",
        f"{state.history.typed_again(broken, state.node.name)} finishes it",
    )


def _damage_problems(reader: Reader, state: NodeState, to: Standing) -> tuple[Problem, ...]:
    """See that the generation, and every file of its release, is as it was installed."""
    said = generation_differences(reader, to.folder, state.history.everyones.after, to.release)
    version = posixpath.basename(to.release).partition("-")[0]
    return tuple(
        Problem(
            f"{to.said} is damaged: {each}",
            f"nodeprov install {state.node.name} --set release.version={version} writes it anew",
        )
        for each, _cause in said
    )


def _is_strict(state: NodeState, family: Family) -> bool:
    """Tell whether containerd's table names a generation by its own path, whatever the settings say now."""
    runtime = family.runtime(state.layout)
    program = runtime.program_of(state.daemon.effective.runtime(runtime.handler)) or ""
    return posixpath.dirname(program) in {each.folder for each in generations.of_handler(state)}


def held_problems(state: NodeState, wanted: str) -> Iterator[Problem]:
    """See that an install does not go forward again to what somebody has gone back from, unless that is wanted."""
    receipt = generations.left_behind(state).get(posixpath.basename(wanted))
    if receipt is None or state.settings.rollout.after_rollback != HOLD:
        return
    name, release = state.node.name, generations.release_in_force(state)
    version = release.partition("-")[0]
    again = f"nodeprov install {name} --forward"
    yield Problem(
        f"{receipt.by} rolled this node back to {release} at {receipt.began}; the inventory wants what was left",
        f'set [release] version = "{version}" or another one; or go forward again: {again}',
        "an unattended install does not undo a rollback",
    )


def digests_of(state: NodeState, release: str) -> Mapping[str, str]:
    """Find in the receipts the digests of what a release was unpacked from."""
    known = [each.sha512 for each in state.history.receipts if each.release == release and each.sha512]
    return known[-1] if known and release else {}
