"""All that the nspawn lab leaves on this machine; it is searched for, whatever was recorded."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov_lab import processes
from nodeprov_lab.base import Leftovers
from nodeprov_lab.host import mounts_below
from nodeprov_lab.nspawn import cgroups, network

_NSPAWN_RUN = Path("/run/systemd/nspawn")


@dataclass(frozen=True, slots=True)
class NspawnLeftovers(Leftovers):
    """What is there of this lab."""

    pids: tuple[int, ...]
    mounts: tuple[str, ...]
    namespaces: tuple[str, ...]
    interfaces: tuple[str, ...]
    cgroups: tuple[Path, ...]
    files: tuple[Path, ...]


def find_processes(state: Path) -> set[int]:
    """Find the machines' processes, by cgroup and network namespace, and those that were written down."""
    found = {pid for cgroup in cgroups.find_cgroups(network.PREFIX) for pid in cgroups.processes_in(cgroup)}
    for name in network.find_namespaces():
        found.update(network.processes_in_namespace(name))
    for file in (*state.glob("*-process"), *state.glob("machines/*/process")):
        running = processes.recorded(file)
        if running is not None:
            found.add(running.pid)
    return found


def find_files(state: Path) -> list[Path]:
    """Find the lab's own folder and what systemd-nspawn keeps elsewhere."""
    kept = sorted(_NSPAWN_RUN.glob(f"*/{network.PREFIX}*"))  # nspawn forgets them when it is killed
    return [*kept, *([state] if state.exists() else [])]


def find_mounts(state: Path) -> list[str]:
    """Find what is mounted in them: systemd-nspawn 257 has a read-only folder for the sockets of each machine."""
    return [point for folder in find_files(state) for point in mounts_below(folder)]


def look(state: Path) -> NspawnLeftovers:
    """Look for all of it."""
    return NspawnLeftovers(
        pids=tuple(sorted(find_processes(state))),
        mounts=tuple(find_mounts(state)),
        namespaces=tuple(network.find_namespaces()),
        interfaces=tuple(network.find_interfaces()),
        cgroups=tuple(cgroups.find_cgroups(network.PREFIX)),
        files=tuple(find_files(state)),
    )


def remove(state: Path) -> None:
    """Remove all of it; raise NodeprovError, naming what would not go."""
    for cgroup in cgroups.find_cgroups(network.PREFIX):
        cgroups.thaw(cgroup)
    stubborn = processes.kill_all(lambda: find_processes(state))
    if stubborn:
        raise NodeprovError(f"processes of the lab do not end: {', '.join(map(str, stubborn))}", "ps -fp PID")
    for point in find_mounts(state):
        _lock_of(point).unlink(missing_ok=True)
        run_program(["umount", point])
    for point in find_mounts(state):  # what is still busy goes away with its last user
        run_program(["umount", "--lazy", point])
    network.remove_network()
    for cgroup in cgroups.find_cgroups(network.PREFIX):
        cgroups.remove_cgroup(cgroup)
    _remove_files(state)
    _remove_if_empty()
    left = look(state)
    if not left.nothing:
        raise NodeprovError(f"something of the lab could not be removed: {left}", "run `nodeprov lab down` again")


def _lock_of(root: str) -> Path:
    """Return the lock that systemd-nspawn takes for a container's root, and leaves when it is killed."""
    found = Path(root).stat()
    return _NSPAWN_RUN / "locks" / f"inode-{found.st_dev}:{found.st_ino}"


def _remove_files(state: Path) -> None:
    if mounts := find_mounts(state):  # never empty through a mount what is not the lab's
        raise NodeprovError(f"still mounted: {', '.join(mounts)}", "umount them, and run it again")
    for path in find_files(state):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remove_if_empty() -> None:
    """Remove folders of `ip netns` and systemd-nspawn that are there again when they are needed."""
    if network.NAMESPACES.is_dir() and not any(network.NAMESPACES.iterdir()):
        while run_program(["umount", str(network.NAMESPACES)]).returncode == 0:
            pass  # `ip` mounts it over itself
        with contextlib.suppress(OSError):
            network.NAMESPACES.rmdir()
    for folder in (*_NSPAWN_RUN.glob("*"), _NSPAWN_RUN):
        with contextlib.suppress(OSError):
            folder.rmdir()
