"""The canary's table in containerd's configuration: declared with ours, so that no canary needs a restart."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nodeprov.containerd import Runtime
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place, Readers
from nodeprov.inventory.canary import canary_handler, has_canary
from nodeprov.node import runtime_table
from nodeprov.node.receipts import History
from nodeprov.node.state import NodeState
from nodeprov.plan.containerd_config import ContainerdConfig, OwnConfig
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import CANARY
from nodeprov.runtimes.family import Family, former_runtimes
from nodeprov.states import State


def with_canary(
    state: NodeState, family: Family, changes: tuple[Change, ...], readers: Readers
) -> tuple[Change, ...]:
    """Declare the canary's runtime in the edit that declares ours, and only there: no node is edited for it.

    That the programs which its table names are not there yet, containerd sees when a pod asks for them. Where the
    table cannot be declared nothing is said: `nodeprov canary start` says it to whoever wants one.
    """
    layout = state.layout.of_canary()
    is_others = layout.handler in [each.handler for each in state.history.neighbours]
    if state.node.canary_of or not has_canary(state.settings) or is_others:
        return changes  # also where another inventory has a handler of that name
    runtime, former = family.runtime(layout), former_runtimes(family, layout)
    with suppress(NodeprovError):
        if any(isinstance(each.resource, OwnConfig) and each.after is not None for each in changes):
            others = tuple(_without(state, runtime, former, each) for each in changes)
            return all_beside((*others, *_in_its_own_file(state, runtime, readers, is_wanted=True)))
        besides = tuple(_beside(state, runtime, former, each) for each in changes)
        has_left = any(isinstance(each.resource, OwnConfig) for each in changes)
        return (*besides, *(_in_its_own_file(state, runtime, readers, is_wanted=False) if has_left else ()))
    return changes


def _is_root(change: Change) -> bool:
    resource = change.resource
    is_config = isinstance(resource, ContainerdConfig) and not isinstance(resource, OwnConfig)
    return is_config and change.after is not None


def _beside(state: NodeState, runtime: Runtime, former: tuple[Runtime, ...], change: Change) -> Change:
    """Put the table into the file that has ours, where it is this one."""
    if not _is_root(change):
        return change
    return _edited(change, runtime, runtime_table.with_runtime(state.daemon, runtime, former))


def _without(state: NodeState, runtime: Runtime, former: tuple[Runtime, ...], change: Change) -> Change:
    """Take the table out of the file that ours leaves for a file of its own."""
    if not _is_root(change):
        return change
    how = runtime_table.how_edited(state.daemon)
    return _edited(change, runtime, runtime_table.without_runtime(runtime, former, how))


def _edited(change: Change, runtime: Runtime, edit: Callable[[Any], State | None]) -> Change:
    resource = change.resource
    assert isinstance(resource, ContainerdConfig)
    besides = (*resource.besides, runtime)
    return replace(change, resource=replace(resource, besides=besides), after=edit(change.after))


def _in_its_own_file(
    state: NodeState, runtime: Runtime, readers: Readers, *, is_wanted: bool
) -> tuple[Change, ...]:
    own = runtime_table.own_goal(state.daemon, runtime)
    if own is None:
        return ()
    before = readers[Place.NODE].ask([own.resource.query])[0]
    after = own.target(before) if is_wanted else None
    return (Change(own.resource, before, after),) if before != after else ()


def all_beside(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Let the check before each edit know the runtimes of all edits that come at the same time."""
    edits = [each.resource for each in changes if isinstance(each.resource, ContainerdConfig)]
    runtimes = dict.fromkeys(runtime for resource in edits for runtime in resource.runtimes)
    found = []
    for change in changes:
        resource = change.resource
        if isinstance(resource, ContainerdConfig):
            resource = replace(resource, besides=tuple(each for each in runtimes if each != resource.runtime))
        found.append(replace(change, resource=resource))
    return tuple(found)


def has_canary_in_force(history: History) -> bool:
    """Tell whether a canary of the handler was begun, and not aborted since."""
    name = canary_handler(history.handler)
    return any(
        each.handler == name and any(run.action == CANARY.name for run in each.installed)
        for each in history.neighbours
    )
