"""Observe, apply, undo: one node, one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Query, Reader
from nodeprov.plan import Adopt, Change, Drain, Outcome, Place, Plan, Proof, Resource, Restart, Step
from nodeprov.states import State


class Writable(Resource, Protocol):
    """A resource as the engine uses it."""

    @property
    def query(self) -> Query[State | None]:
        """Ask for the state."""
        ...

    @property
    def collected(self) -> bool:
        """Tell whether it is taken away only when nothing needs it any more."""
        ...

    @property
    def path(self) -> str:
        """Say where it lies; only asked of what is collected."""
        ...

    @property
    def shared(self) -> bool:
        """Tell whether other nodes may need it by now, so that it stays when this node's run is undone."""
        ...

    def write(self, host: Host, state: Any) -> None:
        """Make the state so."""
        ...

    def restore(self, host: Host, state: Any) -> None:
        """Make the state so again, without the checks of a first write."""
        ...


class Conduct(Protocol):
    """The acts of a plan that are no states."""

    def restart(self, step: Restart) -> None:
        """Restart a daemon; raise NodeprovError if it does not come back."""
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


@dataclass(frozen=True, slots=True)
class Event:
    """A step begins, has ended, or is being taken back."""

    step: Step
    phase: str
    said: str = ""


Tell = Callable[[Event], None]


def observe(readers: Mapping[Place, Reader], resources: Iterable[Resource]) -> dict[str, State | None]:
    """Read the states of many resources: one round trip for each place."""
    states: dict[str, State | None] = {}
    wanted = list(resources)
    for place in Place:
        here = [resource for resource in wanted if resource.place is place]
        if here:
            answers = readers[place].ask([writable(resource).query for resource in here])
            states.update(zip((resource.key for resource in here), answers, strict=True))
    return states


def apply(plan: Plan, hosts: Mapping[Place, Host], conduct: Conduct, tell: Tell) -> Outcome:
    """Carry out a plan step by step; on any error take the begun changes back.

    An interruption counts as an error: a signal in a maintenance window must not leave a node between two
    states.
    """
    begun: list[Step] = []
    done: list[Step] = []
    proofs: dict[str, str] = {}
    collections = [change for change in plan.changes if _is_collection(change)]
    try:
        for step in plan.steps:
            if step in collections or (isinstance(step, Change) and not _is_due(step, hosts[step.resource.place])):
                continue
            tell(Event(step, "begun"))
            begun.append(step)
            said = _carry_out(step, hosts, conduct)
            if isinstance(step, Proof):
                proofs[step.title] = said
            done.append(step)
            tell(Event(step, "done", said))
    except BaseException as error:
        undone, kept, left = undo(begun, hosts, conduct, tell)
        return Outcome(plan, tuple(done), _as_error(error).at(plan.node), undone, left, kept, proofs)
    collected, kept = _collect(collections, hosts, conduct, tell)
    return Outcome(plan, (*done, *collected), kept=kept, proofs=proofs)


def undo(
    begun: Sequence[Step], hosts: Mapping[Place, Host], conduct: Conduct, tell: Tell
) -> tuple[tuple[Change, ...], tuple[str, ...], tuple[str, ...]]:
    """Take begun steps back; return the changes undone, and in words what stays and what could not be undone.

    In reverse, but that what a run took away in the cluster comes back last: no pod is sent to a node before
    its containerd serves again. What may be needed by a sandbox that began in between stays; it is invisible
    and harmless.
    """
    undone: list[Change] = []
    left: list[str] = []
    changes = [step for step in reversed(begun) if isinstance(step, Change)]
    taken_away = [c for c in changes if c.resource.place is Place.CLUSTER and c.after is None]
    collected = [c for c in changes if writable(c.resource).collected]

    def take_back(some: Sequence[Change]) -> None:
        for change in some:
            tell(Event(change, "undone"))
            try:
                _take_back(change, hosts[change.resource.place])
                undone.append(change)
            except Exception as error:
                left.append(f"{change.resource.key}: {_as_error(error).message}")

    take_back([change for change in changes if change not in taken_away and change not in collected])
    left += _revive(begun, conduct, tell)
    take_back(taken_away)
    removed, kept = _collect(collected, hosts, conduct, tell)
    return (*undone, *removed), kept, tuple(left)


def _carry_out(step: Step, hosts: Mapping[Place, Host], conduct: Conduct) -> str:
    match step:
        case Change():
            _write(step, hosts[step.resource.place])
            return ""
        case Restart():
            conduct.restart(step)
            return ""
        case Drain():
            conduct.drain(step)
            return ""
        case Proof():
            return conduct.prove(step)
        case Adopt():
            return ""  # the receipt of the run has it


def _is_due(change: Change, host: Host) -> bool:
    """Look again at the moment of writing.

    What is as wanted by now was done by somebody else, such as the run on another node of the cluster; it is
    not ours to take back. Raises NodeprovError for any other state than the one that was planned with.
    """
    resource = writable(change.resource)
    now = host.ask([resource.query])[0]
    if now not in (change.before, change.after):
        raise NodeprovError(
            f"{resource.key} has changed since it was read", "plan again, and see who else works on this node"
        )
    return bool(now != change.after)


def _write(change: Change, host: Host) -> None:
    resource = writable(change.resource)
    resource.write(host, change.after)
    if host.ask([resource.query])[0] != change.after:
        raise NodeprovError(
            f"{resource.key} was written, and reads back differently", "see who else works on this node"
        )


def _take_back(change: Change, host: Host) -> None:
    resource = writable(change.resource)
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


def _revive(begun: Sequence[Step], conduct: Conduct, tell: Tell) -> list[str]:
    restarts = [step for step in begun if isinstance(step, Restart)]
    try:
        for step in restarts:
            tell(Event(step, "undone"))
            conduct.restart(step)
        if restarts:
            conduct.prove(Proof("serving", "containerd serves as before"))
    except Exception as error:
        return [f"{restarts[0].unit}: {_as_error(error).message}"]
    return []


def _collect(
    changes: Sequence[Change], hosts: Mapping[Place, Host], conduct: Conduct, tell: Tell
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Take away what nothing needs any more; what is needed, or cannot be removed, stays and is named."""
    removed: list[Change] = []
    kept: list[str] = []
    try:
        used = conduct.in_use() if changes else ()
        for change in changes:
            resource = writable(change.resource)
            # What was made in this run stays with all that belongs to it; what is old is looked at one by one.
            needing = [path for path in used if change.before is None or path.startswith(f"{resource.path}/")]
            if needing:
                kept.append(f"{resource.key} stays, for a container needs {needing[0]}")
                continue
            tell(Event(change, "undone" if change.after is not None else "begun"))
            resource.restore(hosts[resource.place], None)
            removed.append(change)
    except BaseException as error:
        kept += [f"{c.resource.key} stays: {_as_error(error).message}" for c in changes[len(removed) :]]
    return tuple(removed), tuple(kept)


def _is_collection(change: Change) -> bool:
    return change.after is None and writable(change.resource).collected


def _as_error(error: BaseException) -> NodeprovError:
    if isinstance(error, NodeprovError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return NodeprovError("interrupted", "run it again when you are ready")
    return NodeprovError(
        f"an error in nodeprov itself: {type(error).__name__}: {error}", "report it, with --verbose's output"
    )


def writable(resource: Resource) -> Writable:
    """See a plan's resource as what it is: all of them can be read and written."""
    return resource  # type: ignore[return-value]  # plan.py knows no hosts, so its Resource is narrower
