"""Resources, goals for them, and the changes that lead there."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.errors import placed
from nodeprov.hosts.base import Host, Place, Query
from nodeprov.states import State


class Resource(ABC):
    """A thing with a state that can be read and written; a state of `None` is absent."""

    __slots__ = ()
    place: ClassVar[Place] = Place.NODE
    shared: ClassVar[bool] = False
    """Whether other nodes may need it by now, so that it stays when this node's run is undone."""
    swapped: ClassVar[bool] = False
    """Whether a change of it takes effect by a restart of containerd, so that the node itself makes both."""

    answers: ClassVar[bool] = False
    """Whether the command that writes it answers with what is there then, so that no other one need read it."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Its name, which nothing else of its place has, such as `file:/etc/containerd/config.toml`."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Its name for people."""

    @property
    @abstractmethod
    def query(self) -> Query[State | None]:
        """The question that reads its state."""

    @property
    def path(self) -> str:
        """Where it lies on the node; "" for what lives in the cluster."""
        return ""

    @property
    def collected(self) -> bool:
        """Whether it is garbage-collected: it is removed only when no container needs it any more."""
        return False

    @abstractmethod
    def write(self, host: Host, state: Any) -> None:
        """Give it a state."""

    def written(self, host: Host, before: State | None, state: Any) -> State | None:  # noqa: ARG002  some need it
        """Give it a state, and return the state that it has then; `before` is the one that it has now.

        What is written by one command that answers with what is there needs no other one to be read back.
        """
        self.write(host, state)
        found: State | None = host.ask([self.query])[0]
        return found

    def restore(self, host: Host, state: Any) -> None:
        """Give it back the state that it had before a write."""
        self.write(host, state)

    def allow(self, host: Host, state: Any) -> None:  # noqa: B027  most resources need no check
        """Raise NodeprovError if containerd would not accept this state; called before a swap."""


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

    @property
    def collects(self) -> bool:
        """Tell whether it removes what is garbage-collected: at the end, and only what nothing needs."""
        return self.after is None and self.resource.collected


def decide(goals: Iterable[Goal], states: Mapping[str, State | None]) -> tuple[Change, ...]:
    """Compare what is with what is wanted; goals keep their order, a reached one gives no change."""
    changes = []
    for goal in goals:
        before = states[goal.resource.key]
        with placed(goal.resource.key.partition(":")[2]):
            after = goal.target(before)
        if after != before:
            changes.append(Change(goal.resource, before, after, goal.why))
    return tuple(changes)


def constant(state: State | None) -> Callable[[Any], State | None]:
    """Want one state, whatever is there now."""
    return lambda _current: state
