"""The steps of a plan, with the proofs between them, and the events that report how they are carried out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from nodeprov.plan.goal import Change

Names = frozenset[tuple[str, str]]
"""Containers of a node's pods, by their namespaces and names."""


class Probes(Protocol):
    """What a proof may ask of a node and its cluster; each returns what it has seen, or raises NodeprovError."""

    def made(self, handler: str) -> str:
        """See that a distribution has made its configuration with a handler's table; without it if that is ""."""

    def serving(self) -> str:
        """Return how the node has seen that containerd serves, in the swap before."""

    def sandbox(self, generation: str) -> str:
        """Run a sandbox through a generation."""

    def unused(self) -> str:
        """See that no container needs our files."""

    def handler(self, name: str = "") -> str:
        """See that the node reports a handler to the cluster; of several, the first one has no name here."""

    def pod(self, handler: str = "") -> str:
        """Run a pod of a handler."""


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
        return probes.handler(self.subject)


class Pod(Proof):
    """A pod of the RuntimeClass runs in a sandbox."""

    name = "pod"

    def see(self, probes: Probes) -> str:
        return probes.pod(self.subject)


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of containerd: a barrier, derived from evidence; what comes after it waits for its proof.

    `activates` names what others wrote into the configuration since the daemon's start, `loses` what of it is gone
    then.
    """

    unit: str
    reasons: tuple[str, ...]
    activates: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Swap:
    """What a node does on its own, under a dead man's switch: swap files, restart containerd, see it serve.

    `meanwhile` are proofs behind it that may be begun while the node watches whether containerd goes on serving.
    They count only when the node has kept the files: then it was the same process all the time.
    """

    changes: tuple[Change, ...]
    restart: Restart
    proof: Proof
    meanwhile: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """For which pods a cordoned node waits until they have ended: those that fit a label selector.

    `pods` are those that run now, as namespace/name. After `timeout_seconds` the step fails, or they are evicted.
    """

    selector: str
    timeout_seconds: int
    evicts: bool
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drain:
    """Pods that are evicted while the node is cordoned, as namespace/name, and what they lose.

    They are the sandboxed ones, or, of a `whole` node, all but those that would come back at once. Before, there
    may be a `wait`; after it, there may be none to evict.
    """

    pods: tuple[str, ...]
    losses: tuple[str, ...] = ()
    whole: bool = False
    wait: Wait | None = None


@dataclass(frozen=True, slots=True)
class Adopt:
    """What is as wanted though no receipt names it: it is written down, and nothing else is done."""

    changes: tuple[Change, ...]


Step = Change | Swap | Proof | Drain | Adopt
"""What is done, and taken back, at once."""

Part = Change | Restart | Proof | Drain | Adopt
"""What is reported to people and programs one by one: a swap has several."""


def parts(steps: Iterable[Step]) -> tuple[Part, ...]:
    """List the parts of steps in their order."""
    listed: list[Part] = []
    for step in steps:
        listed += (*step.changes, step.restart, step.proof) if isinstance(step, Swap) else (step,)
    return tuple(listed)


@dataclass(frozen=True, slots=True)
class Event:
    """A part of a plan begins, waits, has ended, or is being taken back; of a swap only its restart begins.

    `said` is what a proof saw, or for whom a drain waits.
    """

    step: Part
    phase: str
    said: str = ""
    node: str = ""


OnEvent = Callable[[Event], None]
"""Hear of an event; it must not raise."""
