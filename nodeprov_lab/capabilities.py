"""What root may do on this machine, which in a container is less than everything."""

from __future__ import annotations

from pathlib import Path

_CAP_SYS_RESOURCE = 24


def parse_capabilities(status: str) -> int:
    """Read the effective capabilities from the text of /proc/PID/status."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields["CapEff"].strip(), 16)


def may_lower_oom_score(capabilities: int) -> bool:
    """Say whether processes may get an oom_score_adj below what they were started with."""
    return bool(capabilities >> _CAP_SYS_RESOURCE & 1)


def own_capabilities() -> int:
    """Read this process's."""
    return parse_capabilities(Path("/proc/self/status").read_text())
