"""What pods cost their node: their cgroups, and the processes that serve them outside of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nodeprov.errors import MALFORMED, NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class PodCosts:
    """What one pod costs so far.

    Attributes:
        working: bytes that its cgroup holds, without what the kernel could drop at once.
        peak: the most bytes that its cgroup ever had; 0 where the kernel does not say.
        cpu_seconds: what its cgroup has used.
        outside: bytes of processes that serve the pod, and that no pod's cgroup accounts for.
        outside_cpu_seconds: what those, and their children that have ended, have used.
    """

    working: int
    peak: int
    cpu_seconds: float
    outside: int
    outside_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class PodCostsQuery:
    """What do the pods with these UIDs cost this node?"""

    uids: tuple[str, ...]

    @property
    def script(self) -> str:
        """Print a line for each."""
        return render("cluster/query-pod-costs.sh.j2", uids=self.uids)

    def parse(self, output: Output) -> list[PodCosts]:
        """Understand what the script printed; raise NodeprovError if a pod's cgroup is not there."""
        *lines, last = output.text.splitlines() or [""]
        try:
            hertz = int(last.removeprefix("hertz "))
            found = {line.split()[0]: _costs(line.split()[1:], hertz) for line in lines}
            return [found[uid] for uid in self.uids]
        except MALFORMED:
            raise NodeprovError(
                f"the cgroups of pods cannot be read: {output.said[:200] or 'they are not there'}",
                "find /sys/fs/cgroup -name '*pod*' on the node",
            ) from None


def _costs(numbers: Sequence[str], hertz: int) -> PodCosts:
    working, peak, nanoseconds, kibibytes, ticks = map(int, numbers)
    return PodCosts(working, peak, nanoseconds / 1e9, kibibytes << 10, ticks / hertz)
