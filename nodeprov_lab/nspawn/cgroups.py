"""A cgroup of its own for each machine, in every hierarchy of this one.

With one, each machine sees its own cgroup as the root (a cgroup namespace), so that its systemd and kubelet
neither see nor remove the others' cgroups, and all processes of a machine can be found from outside.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError

_REMOVAL_ATTEMPTS = 100
_MOUNTINFO = Path("/proc/self/mountinfo")
ISOLATED_PREFIX = "nodeprov-lab-"
"""Begins the names of the cgroups, and of the folders, that have a lab of their own: nodeprov_lab/isolated.py."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted hierarchy: what it takes to mount it once more, with our own cgroup as its root."""

    point: str
    type: str
    options: str


def parse_hierarchies(mountinfo: str) -> Sequence[Hierarchy]:
    """Read from the text of /proc/self/mountinfo what is mounted as a cgroup hierarchy, and where.

    https://man7.org/linux/man-pages/man7/cgroups.7.html: a named one of v1 has no controllers, which is `none`.
    What another mount hides is listed too, before it.
    """
    found: dict[str, Hierarchy] = {}
    for _, point, kind, options in _mounted(mountinfo):
        own = [option for option in options.split(",") if option not in ("rw", "ro")]
        named = ["none"] if any(option.startswith("name=") for option in own) else []
        found[point] = Hierarchy(point, kind, ",".join([*named, *own]) or "rw")
    return [*found.values()]


def hierarchies() -> Sequence[Hierarchy]:
    """Read what is mounted here."""
    return parse_hierarchies(_MOUNTINFO.read_text())


def _mounted(mountinfo: str) -> Iterator[tuple[str, str, str, str]]:
    """Read the root, the point, the type and the options of each mounted hierarchy.

    https://www.kernel.org/doc/html/latest/filesystems/proc.html, section 3.5
    """
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield root, point, kind, options


def parse_mounts(mountinfo: str) -> Mapping[str, Path]:
    """Find where each hierarchy is mounted: by controller or `name=…` for cgroup v1, by "" for cgroup v2."""
    mounts: dict[str, Path] = {}
    for root, point, kind, options in _mounted(mountinfo):
        if root != "/" or point.startswith(".."):
            continue
        if kind == "cgroup2":
            mounts.setdefault("", Path(point))
        else:
            for option in options.split(","):
                mounts.setdefault(option, Path(point))
    return mounts


def own_cgroups(cgroup: str, mountinfo: str) -> Sequence[Path]:
    """Find the folders of our own cgroups in all mounted hierarchies from the text of /proc/self/cgroup."""
    mounts = parse_mounts(mountinfo)
    folders = []
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)  # the path may hold colons
        point = mounts.get(controllers.split(",")[0])
        if point is not None:
            folders.append(point / path.lstrip("/"))
    return folders


def is_unified(mountinfo: str) -> bool:
    """Return whether this machine has cgroup v2 and nothing else."""
    return set(parse_mounts(mountinfo)) == {""}


def make_cgroups(name: str) -> Sequence[Path]:
    """Make a cgroup below our own in each hierarchy; return their folders.

    On a machine with cgroup v2 alone they are made below the hierarchy's root: our own holds processes, and
    such a cgroup may not have controllers for its children. (Not tried: the lab was made where cgroup v1 is.)
    """
    mountinfo = _MOUNTINFO.read_text()
    own = (
        [parse_mounts(mountinfo)[""]]
        if is_unified(mountinfo)
        else own_cgroups(Path("/proc/self/cgroup").read_text(), mountinfo)
    )
    if not own:
        raise NodeprovError("no cgroup hierarchy is mounted here", "mount | grep cgroup")
    folders = [folder / name for folder in own]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for limits in ("cpuset.cpus", "cpuset.mems"):  # empty in a new cgroup of v1, which then takes no process
            inherited = folder.parent / limits
            if (folder / limits).exists() and inherited.exists():
                (folder / limits).write_text(inherited.read_text())
    return folders


def find_cgroups(prefix: str) -> Sequence[Path]:
    """Find every cgroup whose name begins with the prefix, wherever in the hierarchies it was made.

    Those of a lab that is isolated from this one are not looked into.
    """
    found: list[Path] = []
    for point in sorted(set(parse_mounts(_MOUNTINFO.read_text()).values())):
        for folder, names, _ in os.walk(point):
            ours = [name for name in names if name.startswith(prefix)]
            found.extend(Path(folder, name) for name in ours)
            names[:] = [name for name in names if name not in ours and not name.startswith(ISOLATED_PREFIX)]
    return found


def processes_in(cgroup: Path) -> Iterator[int]:
    """List the processes in a cgroup and all below it."""
    for folder, _, _ in os.walk(cgroup):
        with contextlib.suppress(OSError):
            yield from map(int, Path(folder, "cgroup.procs").read_text().split())


def thaw(cgroup: Path) -> None:
    """Let frozen processes go on: with cgroup v1 they cannot even be killed, and a runtime may end in between."""
    for folder, _, files in os.walk(cgroup):
        if "freezer.state" in files:
            with contextlib.suppress(OSError):
                Path(folder, "freezer.state").write_text("THAWED")


def remove_cgroup(cgroup: Path) -> None:
    """Remove a cgroup that holds no process, and all below it; what has just ended may keep it a moment longer."""
    for _ in range(_REMOVAL_ATTEMPTS):
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        if not cgroup.exists():
            return
        time.sleep(0.02)
