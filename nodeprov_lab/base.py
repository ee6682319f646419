"""What a lab is: a few machines, reachable by SSH, that are a Kubernetes cluster."""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Protocol

from nodeprov.errors import UsageError


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a lab, and all in which it differs from the others.

    `pod_subnet` is the range of its pods' addresses. `unified_cgroups`: it has cgroup v2;
    `may_lower_oom_score`: its root has CAP_SYS_RESOURCE. Without `has_kubelet` it runs containerd, and is no node
    of the cluster.
    """

    name: str
    address: str
    role: Literal["master", "worker"]
    pod_subnet: str
    cgroup_driver: Literal["cgroupfs", "systemd"] = "systemd"
    unified_cgroups: bool = True
    may_lower_oom_score: bool = True
    has_kubelet: bool = True


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """Whether a machine runs, and whether the cluster calls its node Ready."""

    machine: Machine
    running: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that takes a while has begun, has ended, or has failed."""

    what: str
    state: Literal["begun", "ended", "failed"]


def find_machine(machines: Sequence[Machine], name: str) -> Machine:
    """Return the machine of this name; raise UsageError, naming those that there are, without one."""
    found = next((machine for machine in machines if machine.name == name), None)
    if found is None:
        names = ", ".join(machine.name for machine in machines)
        raise UsageError(f"the lab has no machine {name}", f"it has {names}")
    return found


def statuses(machines: Sequence[Machine], running: Set[str], ready: Set[str]) -> list[MachineStatus]:
    """List for each machine whether it runs; one that does not is not ready, whatever the cluster remembers.

    One that is no node of the cluster is ready as soon as it runs.
    """
    return [
        MachineStatus(
            machine, machine.name in running, machine.name in (running & ready if machine.has_kubelet else running)
        )
        for machine in machines
    ]


OnEvent = Callable[[Event], None]
"""Called for every event, from any thread."""


@contextmanager
def step(on_event: OnEvent, what: str) -> Iterator[None]:
    """Report that something begins, and how it ends."""
    on_event(Event(what, "begun"))
    try:
        yield
    except BaseException:
        on_event(Event(what, "failed"))
        raise
    on_event(Event(what, "ended"))


class Lab(Protocol):
    """Machines that come and go together."""

    machines: Sequence[Machine]
    """Its machines, the master first."""

    def up(self, on_event: OnEvent) -> None:
        """Make the lab usable: nothing to do when it is, repair what is half there."""

    def write_inventory(self, on_event: OnEvent) -> Path:
        """Write what nodeprov needs to reach the machines, where that varies; return the inventory's path."""

    def down(self, on_event: OnEvent) -> None:
        """Leave nothing of the lab, in whatever state it is."""

    def status(self) -> Sequence[MachineStatus]:
        """Look at every machine."""

    def ssh_argv(self, machine: str, command: Sequence[str], *, terminal: bool) -> list[str]:
        """Write the command that runs `command` on a machine, or logs in when it is empty."""

    def kubectl_argv(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """Write the command that runs kubectl as the cluster's administrator."""


class StateFolder:
    """The folder that is there as long as the lab is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known_hosts = path / "known_hosts"  # the machines' own keys, for a client to check
        self.admin_conf = path / "admin.conf"  # the administrator's kubeconfig; there once the cluster is


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is there of a lab, whole or half; each field has the things of one kind."""

    def __str__(self) -> str:
        return ", ".join(str(each) for field in fields(self) for each in getattr(self, field.name))

    @property
    def nothing(self) -> bool:
        """Whether nothing is there."""
        return not str(self)


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file of root's at an absolute path."""

    path: str
    content: bytes
    mode: int = 0o644


def archive(files: Sequence[NodeFile]) -> bytes:
    """Write the files as a tar archive to be unpacked at the root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            tar.addfile(entry, io.BytesIO(file.content))
    return out.getvalue()


def write_below(root: Path, files: Sequence[NodeFile]) -> None:
    """Write the files into a machine's root folder, before it boots."""
    for file in files:
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=file.mode)
        path.chmod(file.mode)
        path.write_bytes(file.content)
