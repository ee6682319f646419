"""A plan as a value: what differs between what is and what is wanted, in the order in which it is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.states import State


class Resource(Protocol):
    """A thing with a state; how the state is read and written is resources.py's business."""

    @property
    def key(self) -> str:
        """The name that tells it from all others of its place, such as `file:/etc/containerd/config.toml`."""
        ...

    @property
    def place(self) -> Place:
        """Where it lives."""
        ...

    @property
    def swapped(self) -> bool:
        """Tell whether a change of it comes into force by a restart, so that the node itself makes both."""
        ...


@dataclass(frozen=True, slots=True)
class Goal:
    """A resource, and a pure function from the state it has to the state wanted; both may be None, absent."""

    resource: Resource
    target: Callable[[Any], State | None]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A resource whose state is not the wanted one."""

    resource: Resource
    before: State | None
    after: State | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of containerd: a barrier, derived from evidence; what stands behind it waits for its proof.

    `activates` names what others wrote into the configuration since the daemon's start.
    """

    unit: str
    reasons: tuple[str, ...]
    activates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that must be seen to hold before the plan goes on; `subject` is the path it is about."""

    name: str
    title: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """Sandboxed pods that are evicted while the node is cordoned, as namespace/name."""

    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adopt:
    """What is as wanted though no receipt tells of it: it is written down, and nothing else is done."""

    changes: tuple[Change, ...]


Step = Change | Restart | Proof | Drain | Adopt


@dataclass(frozen=True, slots=True)
class Swap:
    """Steps that a node does by itself, under a dead man's switch: swaps of files, a restart, and its proof."""

    changes: tuple[Change, ...]
    restart: Restart
    proof: Proof | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the plan that it is made of."""
        return (*self.changes, self.restart, *([self.proof] if self.proof else []))


Act = Change | Proof | Drain | Adopt | Swap
"""What is carried out at once."""


def acts(steps: Iterable[Step]) -> tuple[Act, ...]:
    """Make one act of a restart, of the swaps right before it, and of the proof right after it."""
    found: list[Act] = []
    for step in steps:
        last = found[-1] if found else None
        match step:
            case Restart():
                found.append(Swap(_taken_swaps(found), step))
            case Proof(name="serving") if isinstance(last, Swap):
                found[-1] = Swap(last.changes, last.restart, step)
            case _:
                found.append(step)
    return tuple(found)


def _taken_swaps(found: list[Act]) -> tuple[Change, ...]:
    """Take the last changes out of a list that are swaps."""
    swaps: list[Change] = []
    while found and isinstance(last := found[-1], Change) and last.resource.swapped:
        swaps.insert(0, last)
        found.pop()
    return tuple(swaps)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one run will do to one node, in order; no steps means nothing to do."""

    node: str
    action: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    upload_bytes: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes alone."""
        return tuple(step for step in self.steps if isinstance(step, Change))

    @property
    def adopted(self) -> tuple[Change, ...]:
        """The changes that somebody has made already."""
        return tuple(change for step in self.steps if isinstance(step, Adopt) for change in step.changes)

    @property
    def restart(self) -> Restart | None:
        """The restart, if the plan has one."""
        return next((step for step in self.steps if isinstance(step, Restart)), None)

    @property
    def pending(self) -> bool:
        """Tell whether anything would be changed or restarted."""
        return any(not isinstance(step, Proof) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the carrying out of a plan ended.

    `error` is why it stopped; `undone` are the changes taken back then; `left` is what could not be taken
    back, in the operator's words: empty means the node is as the plan wanted it, or as it was. `kept` is what
    was to be removed and stays, unseen and harmless.
    """

    plan: Plan
    done: tuple[Step, ...] = ()
    error: NodeprovError | None = None
    undone: tuple[Change, ...] = ()
    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    proofs: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What the process ends with: 0 done, 1 failed and as before, 4 left between two states."""
        if self.left:
            return 4
        return self.error.exit_code if self.error else 0


def decide(goals: Iterable[Goal], states: Mapping[str, State | None]) -> tuple[Change, ...]:
    """Compare what is with what is wanted; goals keep their order, a reached one gives no change."""
    changes = []
    for goal in goals:
        before = states[goal.resource.key]
        after = goal.target(before)
        if after != before:
            changes.append(Change(goal.resource, before, after, goal.why))
    return tuple(changes)


def constant(state: State | None) -> Callable[[Any], State | None]:
    """Want one state, whatever is there now."""
    return lambda _current: state
