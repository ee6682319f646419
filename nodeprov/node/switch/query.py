"""Whether a node is in the middle of a switch."""

from __future__ import annotations

from dataclasses import dataclass

from nodeprov.hosts.base import Output
from nodeprov.node.switch.values import SWITCH_UNIT, WAIT_SECONDS, folder
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class SwitchAtWork:
    """Is a dead man's switch still at work, after a while?"""

    state: str

    @property
    def script(self) -> str:
        """Print nothing if none is."""
        values = {"folder": folder(self.state), "unit_name": SWITCH_UNIT, "wait_seconds": WAIT_SECONDS}
        return render("switch/switch-ends.sh.j2", **values)

    def parse(self, output: Output) -> bool:
        """Understand what the script printed."""
        return bool(output.text.strip())
