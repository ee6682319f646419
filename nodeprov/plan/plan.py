"""A plan as a value: what differs between what is and what is wanted, in the order in which it is changed."""

from __future__ import annotations

from dataclasses import dataclass

from nodeprov.plan.action import Action
from nodeprov.plan.goal import Change
from nodeprov.plan.proof import Proof
from nodeprov.plan.steps import Adopt, Part, Restart, Step, parts


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one run will do to one node, in order; no steps means nothing to do."""

    node: str
    action: Action
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    upload_bytes: int = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """The steps one by one, as they are told: a swap as its changes, its restart and its proof."""
        return parts(self.steps)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes alone."""
        return tuple(part for part in self.parts if isinstance(part, Change))

    @property
    def adopted(self) -> tuple[Change, ...]:
        """The changes that somebody has made already."""
        return tuple(change for step in self.steps if isinstance(step, Adopt) for change in step.changes)

    @property
    def restart(self) -> Restart | None:
        """The restart, if the plan has one."""
        return next((part for part in self.parts if isinstance(part, Restart)), None)

    @property
    def pending(self) -> bool:
        """Tell whether anything would be changed or restarted."""
        return any(not isinstance(step, Proof) for step in self.steps)
