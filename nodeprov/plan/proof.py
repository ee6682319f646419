"""What must be seen to hold before a plan goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Probes(Protocol):
    """What a proof may ask of a node and of its cluster; each says what it has seen, or raises NodeprovError."""

    def made(self, handler: str) -> str:
        """See that a distribution has made its configuration with a handler's table; without it if that is ""."""

    def serving(self) -> str:
        """Say how the node has seen that containerd serves, in the swap before."""

    def sandbox(self, generation: str) -> str:
        """Run a sandbox through a generation."""

    def unused(self) -> str:
        """See that no container needs our files."""

    def handler(self) -> str:
        """See that the node tells the cluster of the handler."""

    def pod(self) -> str:
        """Run a pod."""


@dataclass(frozen=True, slots=True)
class Proof(ABC):
    """Something that must be seen to hold before the plan goes on."""

    title: str
    subject: str = ""
    """The path, or the handler, that it is about."""
    name: ClassVar[str]
    """Its name in JSON."""

    @abstractmethod
    def see(self, probes: Probes) -> str:
        """See that it holds, and say what was seen; raise NodeprovError if it does not."""


class Made(Proof):
    """A distribution has made containerd's configuration of what was edited."""

    name = "made"

    def see(self, probes: Probes) -> str:
        return probes.made(self.subject)


@dataclass(frozen=True, slots=True)
class Serving(Proof):
    """containerd serves: the node itself sees it, as the end of a swap."""

    title: str = "containerd serves, and goes on serving"
    name = "serving"

    def see(self, probes: Probes) -> str:
        return probes.serving()


class Sandbox(Proof):
    """A sandbox runs through a generation."""

    name = "sandbox"

    def see(self, probes: Probes) -> str:
        return probes.sandbox(self.subject)


@dataclass(frozen=True, slots=True)
class Unused(Proof):
    """No container needs what is to be removed."""

    title: str = "no sandbox needs what is removed"
    name = "unused"

    def see(self, probes: Probes) -> str:
        return probes.unused()


@dataclass(frozen=True, slots=True)
class Handler(Proof):
    """The cluster knows that the node has the runtime."""

    title: str = "the node reports the handler"
    name = "handler"

    def see(self, probes: Probes) -> str:
        return probes.handler()


class Pod(Proof):
    """A pod of the RuntimeClass runs in a sandbox."""

    name = "pod"

    def see(self, probes: Probes) -> str:
        return probes.pod()
