"""How the carrying out of a plan ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeprov.errors import NodeprovError
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Plan
from nodeprov.plan.steps import Part


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the carrying out of a plan ended.

    `error` is why it stopped; `undone` are the changes taken back then; `left` is what could not be taken
    back, in the operator's words: empty means the node is as the plan wanted it, or as it was. `kept` is what
    was to be removed and stays, unseen and harmless.
    """

    plan: Plan
    done: tuple[Part, ...] = ()
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
