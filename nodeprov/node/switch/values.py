"""The switch's names on a node, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

SWITCH_UNIT = "nodeprov-switch.service"
RECOVERY_UNIT = "nodeprov-recovery.service"
"""What puts the files back when the node boots in the middle of a swap."""
WAIT_SECONDS = 20
"""How long one command waits on the node for the end of a switch."""


def folder(state: str) -> str:
    """Name the switch's folder below that of nodeprov's state."""
    return f"{state}/switch"


@dataclass(frozen=True, slots=True)
class Switched:
    """The last change that a node was to make by itself: of which run, and how it ended; "" if it has not."""

    run: str
    outcome: str = ""
    why: str = ""

    @classmethod
    def read(cls, run: str, text: str) -> Switched:
        """Read what the node wrote down: how it ended, and below it why."""
        outcome, _, rest = text.partition("\n")
        return cls(run, outcome, "; ".join(line.strip() for line in rest.splitlines() if line.strip()))

    @property
    def restored(self) -> bool:
        """Tell whether the node has gone back."""
        return self.outcome not in ("", "kept")
