"""The steps of a plan."""

from __future__ import annotations

from collections.abc import Iterable
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
