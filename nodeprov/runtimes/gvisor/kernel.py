"""What gVisor's kernel says of itself."""

from __future__ import annotations

EXAMPLE = b"Linux version 4.19.0-gvisor #1 SMP Sun Jan 10 15:06:54 PST 2016\n"
OWN_WORDS = ("Starting gVisor", "-gvisor ", "#1 SMP Sun Jan 10 15:06:54 PST 2016")
"""What gVisor's kernel says of itself: in its log, in its version, and in the version of every release so far.

The log may be forbidden (oci-seccomp), and releases before 2026 called themselves 4.4.0.
"""


def line(said: str) -> str:
    """Return the line of a kernel's log or /proc/version that only gVisor's kernel says, or "" if it says none."""
    lines = [line for word in OWN_WORDS for line in said.splitlines() if word in line]
    return lines[0].partition("] ")[2] or lines[0] if lines else ""
