"""What this machine has: mounts, and what its root may do, which in a container is less than everything."""

import shutil
from pathlib import Path

_CAP_SYS_RESOURCE = 24


def parse_mounts_below(mountinfo: str, folder: str) -> list[str]:
    """List the mount points at or below a folder, the innermost first, from the text of /proc/self/mountinfo."""
    points = []
    for line in mountinfo.splitlines():
        point = line.split()[4].encode().decode("unicode_escape")  # a blank is \040
        if point == folder or point.startswith(f"{folder}/"):
            points.append(point)
    return points[::-1]


def mounts_below(folder: Path) -> list[str]:
    """List what is mounted at or below a folder. Never remove a folder while there is something."""
    return parse_mounts_below(Path("/proc/self/mountinfo").read_text(), str(folder.resolve()))


def overlay_argv(options: str, folder: Path) -> list[str]:
    """Write the command that mounts an overlay.

    The system calls that mount(8) prefers from util-linux 2.39 on take 255 bytes of an option (fsconfig(2)), and
    many layers have longer paths; the older one takes a page for all options.
    """
    return ["env", "LIBMOUNT_FORCE_MOUNT2=always", "mount", "-t", "overlay", "overlay", "-o", options, str(folder)]


def parse_capabilities(status: str) -> int:
    """Read the effective capabilities from the text of /proc/PID/status."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields["CapEff"].strip(), 16)


def may_lower_oom_score(capabilities: int) -> bool:
    """Return whether processes may get an oom_score_adj below what they were started with."""
    return bool(capabilities >> _CAP_SYS_RESOURCE & 1)


def own_capabilities() -> int:
    """Read this process's."""
    return parse_capabilities(Path("/proc/self/status").read_text())


def free_bytes(folder: Path) -> int:
    """Return how much room there is where a folder is, or would be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free
