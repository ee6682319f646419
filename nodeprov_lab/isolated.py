"""A lab beside another one: `python -m nodeprov_lab.isolated COMMAND…` runs a command where no other lab is seen.

The command has mounts, a network, processes and cgroups of its own; its network reaches nothing but itself and
the machines of its lab. What it leaves running ends with it. Files are those of this machine but for /run and the
lab's own folder. Needs root.

What it needs outside, a folder and cgroups of the same name, it removes at its end. Where it was killed, the next
one does: whoever holds no lock on such a folder has ended.
"""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
    with _own_folder() as folder:
        own = cgroups.make_cgroups(folder.name)
        try:
            return run_attached(isolated_argv(folder, own, argv))
        finally:
            for cgroup in own:
                cgroups.remove_cgroup(cgroup)


@contextmanager
def _own_folder() -> Iterator[Path]:
    """Make a folder, locked until it is removed; what others have left behind is removed before."""
    with ExitStack() as ours:
        with _locked(Path(_FOLDERS)):  # no other one sees a folder without its lock
            _remove_abandoned()
            made = tempfile.TemporaryDirectory(prefix=cgroups.ISOLATED_PREFIX, dir=_FOLDERS)
            ours.enter_context(_locked(Path(made.name)))
        yield Path(ours.enter_context(made))


def _remove_abandoned() -> None:
    """Remove the folders, and the cgroups, of those that were killed before they could."""
    for folder in Path(_FOLDERS).glob(f"{cgroups.ISOLATED_PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
            continue  # anybody may make such a name there
        with suppress(BlockingIOError), _locked(folder, fcntl.LOCK_NB):
            for cgroup in cgroups.find_cgroups(folder.name):
                cgroups.remove_cgroup(cgroup)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    """Lock a folder itself, so that no file of the lock's stays; whoever is killed has it no more."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    raise SystemExit(run_isolated(sys.argv[1:]))
