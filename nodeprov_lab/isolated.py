"""A lab beside another one: `python -m nodeprov_lab.isolated COMMAND…` runs a command where no other lab is seen.

The command has mounts, a network, processes and cgroups of its own; its network reaches nothing but itself and
the machines of its lab. What it leaves running ends with it. Files are those of this machine but for /run and the
lab's own folder. Needs root.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nodeprov.hosts.local import run_attached
from nodeprov.templates import render
from nodeprov_lab.nspawn import cgroups
from nodeprov_lab.nspawn.lab import STATE
from nodeprov_lab.processes import ending_with_us

_NAMESPACES = (
    "--mount",
    "--propagation=private",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--cgroup",
)
_FOLDERS = "/var/tmp"  # noqa: S108  a real file system, as /tmp need not be: the machines' roots are overlays on it


def isolated_argv(folder: Path, own_cgroups: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """Write the command that runs another one in such a place, with the lab's state in `folder`."""
    found = cgroups.hierarchies()
    inside = render(
        "lab/isolated.sh.j2",
        state=STATE.path.parent,
        folder=folder,
        hierarchies=found,
        unified=len(found) == 1,
    )
    unshare = ["unshare", *_NAMESPACES, "sh", "-c", inside, "sh", *argv]
    return ending_with_us(["sh", "-c", render("lab/enter-cgroups.sh.j2", cgroups=own_cgroups, argv=unshare)])


def run_isolated(argv: Sequence[str]) -> int:
    """Run a command in such a place; return its exit status."""
    with tempfile.TemporaryDirectory(prefix=cgroups.ISOLATED_PREFIX, dir=_FOLDERS) as folder:
        own = cgroups.make_cgroups(Path(folder).name)
        try:
            return run_attached(isolated_argv(Path(folder), own, argv))
        finally:
            for cgroup in own:
                cgroups.remove_cgroup(cgroup)


if __name__ == "__main__":
    raise SystemExit(run_isolated(sys.argv[1:]))
