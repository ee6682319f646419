"""What every resource can do, and how every kind of state is written down and shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from nodeprov.hosts.base import Host, Place, Query
from nodeprov.states import State

S = TypeVar("S", bound=State)


class Resource(ABC):
    """A thing with a state that can be read and written; a state of `None` is absent."""

    __slots__ = ()
    place: ClassVar[Place] = Place.NODE
    shared: ClassVar[bool] = False
    """Whether other nodes may need it by now, so that it stays when this node's run is undone."""
    swapped: ClassVar[bool] = False
    """Whether a change of it takes effect by a restart of containerd, so that the node itself makes both."""

    @property
    @abstractmethod
    def key(self) -> str:
        """The name that tells it from all others of its place, such as `file:/etc/containerd/config.toml`."""

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

    def restore(self, host: Host, state: Any) -> None:
        """Give it back the state that it had before a write."""
        self.write(host, state)

    def allow(self, host: Host, state: Any) -> None:  # noqa: B027  most resources need no check
        """Raise NodeprovError if containerd would not accept this state; called before a swap."""


@dataclass(frozen=True, slots=True)
class AtPath(Resource):
    """A resource at a path of a node.

    Empty folders strictly below `within` are nodeprov's own, and go with the last thing in them.
    """

    path: str = field()  # without field() the property above would be its default
    within: str = field(default="", kw_only=True)
    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """Its kind and its path."""
        return f"{self.kind}:{self.path}"

    @property
    def title(self) -> str:
        """Its kind and its path, for people."""
        return f"{self.kind} {self.path}"

    def remove(self, host: Host) -> None:
        """Remove it if it is there, and our own folders that it leaves empty."""
        host.remove(self.path, below=self.within)


class StateKind(ABC, Generic[S]):
    """One kind of state: how receipts and saved plans keep it, and how people and programs are shown it."""

    name: ClassVar[str]
    """Its name in JSON."""
    type: ClassVar[type[Any]]
    """The class of its states."""

    @abstractmethod
    def to_json(self, state: S) -> dict[str, Any]:
        """Write all that a state is as plain values."""

    @abstractmethod
    def from_json(self, value: Mapping[str, Any]) -> S:
        """Read a state back; raise one of MALFORMED_JSON if it is none."""

    def summary(self, state: S) -> dict[str, Any]:
        """Describe a state in the JSON of a plan, without contents that may be secret."""
        return self.to_json(state)

    def text(self, state: S) -> str | None:  # noqa: ARG002  most states are no text
        """Write a state as a text that can be compared line by line; None if it is none."""
        return None

    def change_text(self, before: State | None, after: S) -> str:  # noqa: ARG002  most changes need no more words
        """Write what is behind the resource's name where a plan shows a change of it."""
        return ""
