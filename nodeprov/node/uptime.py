"""The node's own clock, which nobody sets: the seconds since its boot."""

from dataclasses import dataclass

from nodeprov.errors import MALFORMED, NodeprovError
from nodeprov.hosts.base import Output


@dataclass(frozen=True, slots=True)
class UptimeQuery:
    """How many seconds has the node been up?"""

    @property
    def script(self) -> str:
        """Print them, to a hundredth (proc_uptime(5))."""
        return "cat /proc/uptime"

    def parse(self, output: Output) -> float:
        """Read them; raise NodeprovError where they were not printed."""
        try:
            return float(output.text.split()[0])
        except MALFORMED:
            raise NodeprovError("the node does not show how long it has been up", "cat /proc/uptime") from None
