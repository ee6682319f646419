"""Taking back what a run has begun, and removing what nothing needs any more."""

import posixpath
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from nodeprov.engine.actions import Actions
from nodeprov.errors import Cancelled, NodeprovError
from nodeprov.hosts.base import Host, Hosts, Place
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Event, OnEvent, Step, Swap
from nodeprov.states import FileState, LinkState


@dataclass(frozen=True, slots=True)
class TakenAway:
    """The changes that were taken back or removed.

    In words: `kept` is what stays because a container needs it still, `failed` what could not be taken away.
    """

    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    failed: tuple[str, ...]


def in_turn(step: Step, turn: AbstractContextManager[object]) -> AbstractContextManager[object]:
    """Have the turn of this node for a step that changes what nodes share; no turn is needed for another step.

    Two nodes that are changed at the same time would both make it, or one would remove it under the other.
    """
    return turn if isinstance(step, Change) and step.resource.shared else nullcontext()


def undo(
    begun: Sequence[Step],
    hosts: Hosts,
    actions: Actions,
    on_event: OnEvent,
    turn: AbstractContextManager[object],
) -> TakenAway:
    """Take begun steps back; `turn` is for what nodes share.

    In reverse, but that what a run took away in the cluster comes back last: no pod is sent to a node before
    its containerd serves again. What may be needed by a sandbox that began in between stays; it is invisible
    and harmless. Where a swap cannot be taken back, what was done before it stays too, as containerd may know of
    it.
    """
    undone: list[Change] = []
    left: list[str] = []
    written = [step for step in reversed(begun) if isinstance(step, Change | Swap)]
    changes = [step for step in written if isinstance(step, Change)]
    taken_away = [c for c in changes if c.resource.place is Place.CLUSTER and c.after is None]
    garbage = [c for c in changes if c.resource.collected]
    others = [step for step in written if step not in taken_away and step not in garbage]
    going_back = [*others, *taken_away]
    for number, step in enumerate(going_back, start=1):
        try:
            with in_turn(step, turn):
                undone += _undo_one(step, hosts, actions, on_event)
        except Exception as error:
            left.append(f"{_name(step)}: {in_words(error).message}")
            if isinstance(step, Swap):
                stays = [*going_back[number:], *garbage]
                left += [f"{_name(each)}: stays until that is settled" for each in stays]
                garbage = []
                break
    collected = collect(garbage, hosts, actions, on_event)
    # What is collected is unseen and harmless: that it could not be removed leaves nothing between two states.
    return TakenAway((*undone, *collected.changes), (*collected.kept, *collected.failed), tuple(left))


def _name(step: Change | Swap) -> str:
    return step.restart.unit if isinstance(step, Swap) else step.resource.key


def _undo_one(step: Change | Swap, hosts: Hosts, actions: Actions, on_event: OnEvent) -> tuple[Change, ...]:
    if isinstance(step, Swap):
        return _swap_back(step, hosts, actions, on_event)
    on_event(Event(step, "undone"))
    _take_back(step, hosts[step.resource.place])
    return (step,)


def _swap_back(swap: Swap, hosts: Hosts, actions: Actions, on_event: OnEvent) -> tuple[Change, ...]:
    """Have the node swap the files back; what it has put back on its own by now needs no restart any more.

    When the connection broke while the swap was handed over, the node may begin it only now.
    """
    actions.settle()
    back = []
    for change in swap.changes:
        now = hosts[change.resource.place].ask([change.resource.query])[0]
        if now not in (change.before, change.after):
            raise NodeprovError(f"{change.resource.key}: somebody else has changed it since", "")
        if now != change.before:
            back.append(Change(change.resource, now, change.before))
    if back:
        on_event(Event(swap.restart, "undone"))
        actions.swap(replace(swap, changes=tuple(back), meanwhile=()))
        swap.proof.see(actions)
    for change in swap.changes:
        on_event(Event(change, "undone"))
    return swap.changes


def _take_back(change: Change, host: Host) -> None:
    resource = change.resource
    now = host.ask([resource.query])[0]
    if now == change.before and now is not None:
        return
    if now not in (change.before, change.after):
        raise NodeprovError("somebody else has changed it since", "")
    # Also when it is absent already: a write that was cut short may have left folders.
    resource.restore(host, change.before)
    found = host.ask([resource.query])[0]
    if found != change.before and not (resource.shared and found == change.after):
        raise NodeprovError("it reads back differently", "")


def collect(
    changes: Sequence[Change],
    hosts: Hosts,
    actions: Actions,
    on_event: OnEvent,
    *,
    before_each: Callable[[], None] = lambda: None,
) -> TakenAway:
    """Take away what nothing needs any more."""
    removed: list[Change] = []
    needed: list[str] = []
    failed: list[str] = []
    try:
        used = actions.in_use() if changes else {}
        made = [folder for change in changes if change.before is None for folder in _folders_of(change)]
        for change in changes:
            resource = change.resource
            # What was made in this run stays with all that belongs to it; what is old is looked at one by one.
            folders = made if change.before is None else [resource.path]
            needing = [path for path in used if path.startswith(tuple(f"{folder}/" for folder in folders))]
            if needing:
                needed.append(f"{resource.key} is kept: in use by {used[needing[0]]}")
                continue
            before_each()
            on_event(Event(change, "undone" if change.after is not None else "begun"))
            resource.restore(hosts[resource.place], None)
            removed.append(change)
    except BaseException as error:
        rest = changes[len(removed) + len(needed) :]
        failed = [f"{change.resource.key} stays: {in_words(error).message}" for change in rest]
    return TakenAway(tuple(removed), tuple(needed), tuple(failed))


def _folders_of(change: Change) -> tuple[str, ...]:
    """Name the folder by which a container names what was made: a release's own, or the one of a generation.

    A path through the link `current` names neither. By now that leads to the generation before, which has what the
    container began with, unless that is of a release of this run; and that one its process and its bundle name:
    a shim keeps for a container's life what it began with.
    """
    path = change.resource.path
    return (posixpath.dirname(path),) if isinstance(change.after, FileState | LinkState) else (path,)


def in_words(error: BaseException) -> NodeprovError:
    """Put an error into an operator's words."""
    if isinstance(error, NodeprovError):
        return error
    if isinstance(error, KeyboardInterrupt):  # of a caller who leaves signals to Python
        return Cancelled()
    return NodeprovError(
        f"an error in nodeprov itself: {type(error).__name__}: {error}", "report it, with -vv's output"
    )
