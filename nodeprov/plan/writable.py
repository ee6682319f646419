"""Observe, apply, undo: one node, one plan."""

from __future__ import annotations

from typing import Any, Protocol

from nodeprov.hosts.base import Host, Query
from nodeprov.plan.plan import Resource
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
        """Say where it lies; only asked of what is collected or swapped."""
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


class Swappable(Writable, Protocol):
    """A resource that a node swaps by itself."""

    def allow(self, host: Host, state: Any) -> None:
        """Raise NodeprovError unless the daemon would accept this state."""
        ...


def writable(resource: Resource) -> Writable:
    """See a plan's resource as what it is: all of them can be read and written."""
    return resource  # type: ignore[return-value]  # plan.py knows no hosts, so its Resource is narrower


def swappable(resource: Resource) -> Swappable:
    """See a plan's resource as one that a node swaps."""
    return resource  # type: ignore[return-value]  # as above
