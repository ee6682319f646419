"""The steps of a plan, and the events by which it is reported how they are carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nodeprov.plan.goal import Change
from nodeprov.plan.proof import Proof


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of containerd: a barrier, derived from evidence; what stands behind it waits for its proof.

    `activates` names what others wrote into the configuration since the daemon's start.
    """

    unit: str
    reasons: tuple[str, ...]
    activates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Swap:
    """What a node does by itself, under a dead man's switch: swap files, restart containerd, see it serve."""

    changes: tuple[Change, ...]
    restart: Restart
    proof: Proof


@dataclass(frozen=True, slots=True)
class Drain:
    """Sandboxed pods that are evicted while the node is cordoned, as namespace/name."""

    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adopt:
    """What is as wanted though no receipt tells of it: it is written down, and nothing else is done."""

    changes: tuple[Change, ...]


Step = Change | Swap | Proof | Drain | Adopt
"""What is done, and taken back, at once."""

Part = Change | Restart | Proof | Drain | Adopt
"""What people and programs are told of one by one: a swap has several."""


def parts(steps: Iterable[Step]) -> tuple[Part, ...]:
    """List the parts of steps in their order."""
    listed: list[Part] = []
    for step in steps:
        listed += (*step.changes, step.restart, step.proof) if isinstance(step, Swap) else (step,)
    return tuple(listed)


@dataclass(frozen=True, slots=True)
class Event:
    """A part of a plan begins, has ended, or is being taken back; of a swap only its restart begins."""

    step: Part
    phase: str
    said: str = ""
    node: str = ""


OnEvent = Callable[[Event], None]
"""Hear of an event; it must not raise."""
