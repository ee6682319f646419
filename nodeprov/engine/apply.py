"""Observe, apply, undo: one node, one plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from nodeprov.engine.context import RunContext
from nodeprov.errors import Broken, Cancelled, NodeprovError, Restored
from nodeprov.hosts.base import Host, Place
from nodeprov.plan.events import Event, OnEvent
from nodeprov.plan.goal import Change
from nodeprov.plan.outcome import Outcome
from nodeprov.plan.plan import Plan
from nodeprov.plan.proof import Proof
from nodeprov.plan.steps import Act, Adopt, Drain, Step, Swap, acts


class Conduct(Protocol):
    """The acts of a plan that are no states."""

    def swap(self, swap: Swap) -> str:
        """Have the node swap files, restart the daemon and prove that it serves; say what was seen.

        Raises Restored when it did not serve and the node has gone back, and NodeprovError for all else.
        """
        ...

    def settle(self) -> None:
        """Wait until the node is at work on no swap any more; raise NodeprovError if it does not come to that."""
        ...

    def prove(self, proof: Proof) -> str:
        """See that something holds and say what was seen; raise NodeprovError if it does not."""
        ...

    def drain(self, step: Drain) -> None:
        """Cordon the node and evict pods; raise NodeprovError if they do not go."""
        ...

    def in_use(self) -> tuple[str, ...]:
        """Name what still needs the things that are collected."""
        ...


def apply(plan: Plan, hosts: Mapping[Place, Host], conduct: Conduct, run: RunContext) -> Outcome:
    """Carry out a plan step by step; on any error take the begun changes back.

    A cancellation counts as an error: a signal in a maintenance window must not leave a node between two
    states.
    """
    on_event = run.on_event
    begun: list[Act] = []
    done: list[Step] = []
    proofs: dict[str, str] = {}
    collections = [change for change in plan.changes if change.collects]
    try:
        for planned in acts(step for step in plan.steps if step not in collections):
            act = _due(planned, hosts)
            if act is None:
                continue
            run.cancel.check()
            on_event(Event(_face(act), "begun"))
            begun.append(act)
            said = _carry_out(act, hosts, conduct)
            proof = act.proof if isinstance(act, Swap) else act
            if isinstance(proof, Proof):
                proofs[proof.title] = said
            for step in _steps(act):
                done.append(step)
                on_event(Event(step, "done", said))
    except BaseException as error:
        swap = begun.pop() if isinstance(error, Restored | Broken) else None
        undone, kept, left = undo(begun, hosts, conduct, on_event)
        if isinstance(error, Broken) and swap is not None:
            left = (*left, f"{_name(swap)}: {error.message}")
        return Outcome(plan, tuple(done), _as_error(error).at(plan.node), undone, left, kept, proofs)
    collected, kept, stay = _collect(collections, hosts, conduct, on_event, before_each=run.cancel.check)
    # What an upgrade could not remove the next run will; an uninstall was for that.
    left, kept = (stay, kept) if plan.action.removes_all else ((), (*kept, *stay))
    return Outcome(plan, (*done, *collected), left=left, kept=kept, proofs=proofs)


def _steps(act: Act) -> tuple[Step, ...]:
    return act.steps if isinstance(act, Swap) else (act,)


def _name(act: Act) -> str:
    """Name what an act is done to; only changes and swaps are ever taken back."""
    match act:
        case Swap():
            return act.restart.unit
        case Change():
            return act.resource.key
        case _:
            return ""


def _face(act: Act) -> Step:
    """Pick what is told of an act: of a swap its restart, which is what a node notices."""
    return act.restart if isinstance(act, Swap) else act


def undo(
    begun: Sequence[Act], hosts: Mapping[Place, Host], conduct: Conduct, on_event: OnEvent
) -> tuple[tuple[Change, ...], tuple[str, ...], tuple[str, ...]]:
    """Take begun steps back; return the changes undone, and in words what stays and what could not be undone.

    In reverse, but that what a run took away in the cluster comes back last: no pod is sent to a node before
    its containerd serves again. What may be needed by a sandbox that began in between stays; it is invisible
    and harmless. Where a swap cannot be taken back, what was done before it stays too, as containerd may know of
    it.
    """
    undone: list[Change] = []
    left: list[str] = []
    changes = [act for act in reversed(begun) if isinstance(act, Change)]
    taken_away = [c for c in changes if c.resource.place is Place.CLUSTER and c.after is None]
    collected = [c for c in changes if c.resource.collected]
    others = [act for act in reversed(begun) if act not in taken_away and act not in collected]
    acts_back = [*others, *taken_away]
    for number, act in enumerate(acts_back, start=1):
        try:
            undone += _undo_one(act, hosts, conduct, on_event)
        except Exception as error:
            left.append(f"{_name(act)}: {_as_error(error).message}")
            if isinstance(act, Swap):
                stays = [*acts_back[number:], *collected]
                left += [f"{_name(each)}: stays until that is settled" for each in stays if _name(each)]
                collected = []
                break
    removed, kept, stay = _collect(collected, hosts, conduct, on_event)
    return (*undone, *removed), (*kept, *stay), tuple(left)


def _undo_one(act: Act, hosts: Mapping[Place, Host], conduct: Conduct, on_event: OnEvent) -> tuple[Change, ...]:
    match act:
        case Change():
            on_event(Event(act, "undone"))
            _take_back(act, hosts[act.resource.place])
            return (act,)
        case Swap():
            return _swap_back(act, hosts, conduct, on_event)
        case _:
            return ()


def _swap_back(swap: Swap, hosts: Mapping[Place, Host], conduct: Conduct, on_event: OnEvent) -> tuple[Change, ...]:
    """Have the node swap the files back; what it has put back by itself by now needs no restart any more.

    When the connection broke while the swap was handed over, the node may begin it only now.
    """
    conduct.settle()
    back = []
    for change in swap.changes:
        now = hosts[change.resource.place].ask([change.resource.query])[0]
        if now not in (change.before, change.after):
            raise NodeprovError(f"{change.resource.key}: somebody else has changed it since", "")
        if now != change.before:
            back.append(Change(change.resource, now, change.before))
    if back:
        on_event(Event(swap.restart, "undone"))
        conduct.swap(Swap(tuple(back), swap.restart, Proof("serving", "containerd serves as before")))
    for change in swap.changes:
        on_event(Event(change, "undone"))
    return swap.changes


def _carry_out(act: Act, hosts: Mapping[Place, Host], conduct: Conduct) -> str:
    match act:
        case Change():
            _write(act, hosts[act.resource.place])
            return ""
        case Swap(changes):
            for change in changes:
                change.resource.allow(hosts[change.resource.place], change.after)
            return conduct.swap(act)
        case Drain():
            conduct.drain(act)
            return ""
        case Proof():
            return conduct.prove(act)
        case Adopt():
            return ""  # the receipt of the run has it


def _due(act: Act, hosts: Mapping[Place, Host]) -> Act | None:
    """Look again at the moment of writing; what was done meanwhile is left out."""
    match act:
        case Change():
            return act if _is_due(act, hosts[act.resource.place]) else None
        case Swap(changes):
            due = tuple(change for change in changes if _is_due(change, hosts[change.resource.place]))
            return replace(act, changes=due)
        case _:
            return act


def _is_due(change: Change, host: Host) -> bool:
    """Look again at the moment of writing.

    What is as wanted by now was done by somebody else, such as the run on another node of the cluster; it is
    not ours to take back. Raises NodeprovError for any other state than the one that was planned with.
    """
    resource = change.resource
    now = host.ask([resource.query])[0]
    if now not in (change.before, change.after):
        raise NodeprovError(
            f"{resource.key} has changed since it was read", "plan again, and see who else works on this node"
        )
    return bool(now != change.after)


def _write(change: Change, host: Host) -> None:
    resource = change.resource
    resource.write(host, change.after)
    if host.ask([resource.query])[0] != change.after:
        raise NodeprovError(
            f"{resource.key} was written, and reads back differently", "see who else works on this node"
        )


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


def _collect(
    changes: Sequence[Change],
    hosts: Mapping[Place, Host],
    conduct: Conduct,
    on_event: OnEvent,
    *,
    before_each: Callable[[], None] = lambda: None,
) -> tuple[tuple[Change, ...], tuple[str, ...], tuple[str, ...]]:
    """Take away what nothing needs any more; return it, and in words what is needed and what cannot be removed."""
    removed: list[Change] = []
    kept: list[str] = []
    stay: list[str] = []
    try:
        used = conduct.in_use() if changes else ()
        for change in changes:
            resource = change.resource
            # What was made in this run stays with all that belongs to it; what is old is looked at one by one.
            needing = [path for path in used if change.before is None or path.startswith(f"{resource.path}/")]
            if needing:
                kept.append(f"{resource.key} stays, for a container needs {needing[0]}")
                continue
            before_each()
            on_event(Event(change, "undone" if change.after is not None else "begun"))
            resource.restore(hosts[resource.place], None)
            removed.append(change)
    except BaseException as error:
        rest = changes[len(removed) + len(kept) :]
        stay = [f"{change.resource.key} stays: {_as_error(error).message}" for change in rest]
    return tuple(removed), tuple(kept), tuple(stay)


def _as_error(error: BaseException) -> NodeprovError:
    if isinstance(error, NodeprovError):
        return error
    if isinstance(error, KeyboardInterrupt):  # of a caller who leaves signals to Python
        return Cancelled()
    return NodeprovError(
        f"an error in nodeprov itself: {type(error).__name__}: {error}", "report it, with --verbose's output"
    )
