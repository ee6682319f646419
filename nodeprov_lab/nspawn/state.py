"""The folder in which the nspawn lab lives, and who may log in to its machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nodeprov.local_files import write_private
from nodeprov_lab.access import RemoteShell, SshKey, known_hosts, ssh_argv
from nodeprov_lab.base import Machine, StateFolder


class MachineFolder:
    """Where a machine lies on this one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "root"  # mounted
        self.containerd = path / "containerd"  # a real file system: an overlay on an overlay cannot be mounted
        self.process = path / "process"  # records which process runs the machine
        self.console = path / "console.log"  # what the machine prints when it boots


class NspawnState(StateFolder):
    """Everything of a lab that is no part of the kernel. An inventory names its keys, so its place is fixed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lock = path.with_name(f"{path.name}.lock")  # beside the folder, so that the folder can go
        self.login_key = path / "id_ed25519"  # lets root log in on every machine
        self.mirror_process = path / "mirror-process"  # records which process is the mirror
        self.mirror_log = path / "mirror.log"  # what the mirror was asked for

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
