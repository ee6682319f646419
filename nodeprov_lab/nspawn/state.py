"""The folder in which the nspawn lab lives, and who may log in to its machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov.local_files import write_private
from nodeprov_lab.access import RemoteShell, SshKey, known_hosts, ssh_argv
from nodeprov_lab.base import Machine, StateFolder


@dataclass(frozen=True, slots=True)
class MachineFolder:
    """Where a machine lies on this one."""

    path: Path

    @property
    def root(self) -> Path:
        """Its root folder, mounted."""
        return self.path / "root"

    @property
    def containerd(self) -> Path:
        """Its /var/lib/containerd: a real file system, since an overlay on an overlay cannot be mounted."""
        return self.path / "containerd"

    @property
    def process(self) -> Path:
        """The file that records which process runs it."""
        return self.path / "process"

    @property
    def console(self) -> Path:
        """What it prints when it boots."""
        return self.path / "console.log"


@dataclass(frozen=True, slots=True)
class NspawnState(StateFolder):
    """Everything of a lab that is no part of the kernel. An inventory names its keys, so its place is fixed."""

    @property
    def lock(self) -> Path:
        """The lab's lock, beside the folder so that the folder can go."""
        return self.path.with_name(f"{self.path.name}.lock")

    @property
    def login_key(self) -> Path:
        """The private key that root may log in with on every machine."""
        return self.path / "id_ed25519"

    @property
    def mirror_process(self) -> Path:
        """The file that records which process is the mirror."""
        return self.path / "mirror-process"

    @property
    def mirror_log(self) -> Path:
        """What the mirror was asked for."""
        return self.path / "mirror.log"

    def machine(self, machine: Machine) -> MachineFolder:
        """Return a machine's folder."""
        return MachineFolder(self.path / "machines" / machine.name)

    def login(self, machine: Machine) -> list[str]:
        """Write the command that logs in to a machine."""
        return ssh_argv("root", machine.address, self.login_key, self.known_hosts)

    def shell(self, machine: Machine) -> RemoteShell:
        """Return the way to a machine."""
        return RemoteShell(machine.name, self.login(machine))

    def write_keys(self, machines: Sequence[Machine], login_key: SshKey, host_keys: Sequence[SshKey]) -> None:
        """Write all that a client needs to log in."""
        write_private(self.login_key, login_key.private)
        self.login_key.with_suffix(".pub").write_text(f"{login_key.public} nodeprov-lab\n")
        self.known_hosts.write_text(known_hosts(machines, host_keys))
