"""What is mounted where, on this machine."""

from __future__ import annotations

from pathlib import Path


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
