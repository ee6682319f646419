"""The memory that a part of this process takes at most."""

from pathlib import Path


def forget_peak() -> None:
    """Count from now on: what was taken before is no peak any more (https://docs.kernel.org/filesystems/proc.html)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_kib() -> int:
    """Return the largest memory of this process, in KiB.

    getrusage has that of whoever has started it too, from before exec: of a large process nothing is seen then.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
