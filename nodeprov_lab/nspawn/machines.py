"""Where the nspawn lab lives on this machine, who may log in, and whether its machines and their cluster run."""

import socket
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.local_files import write_private
from nodeprov.templates import render
from nodeprov_lab import cluster, processes
from nodeprov_lab.access import RemoteShell, SshKey, known_hosts, ssh_argv
from nodeprov_lab.base import Machine, StateFolder
from nodeprov_lab.cluster import READY_JSONPATH, parse_ready_nodes
from nodeprov_lab.nspawn.network import CONTROLLER_ADDRESS
from nodeprov_lab.processes import at_once

MIRROR_PORT = 8080
SSH_PORT = 22
_TIMEOUT_SECONDS = 10.0


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


def wait_for_port(address: str, port: int, timeout_seconds: float) -> bool:
    """Wait until something listens; say whether it does."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            with socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(0.05)


def is_running(machine: Machine, state: NspawnState) -> bool:
    """Return whether the machine's process is there."""
    return processes.recorded(state.machine(machine).process) is not None


def mirror_runs(state: NspawnState) -> bool:
    """Return whether the mirror's process is there."""
    return processes.recorded(state.mirror_process) is not None


def is_healthy(machines: Sequence[Machine], state: NspawnState) -> bool:
    """Return whether every machine runs, its services do, its node is Ready, and the mirror answers."""
    if not all(is_running(machine, state) for machine in machines) or not state.admin_conf.exists():
        return False
    if not mirror_runs(state) or not wait_for_port(CONTROLLER_ADDRESS, MIRROR_PORT, 0):
        return False
    if not all(at_once([partial(_services_run, machine, state) for machine in machines])):
        return False
    return ready_nodes(machines[0], state) == {machine.name for machine in machines}


def ready_nodes(master: Machine, state: NspawnState) -> set[str]:
    """Ask the cluster which nodes are Ready; none when it does not answer."""
    script = render("lab/ready-nodes.sh.j2", admin_conf=cluster.ADMIN_CONF, jsonpath=READY_JSONPATH)
    try:
        output = state.shell(master).run(script, timeout_seconds=_TIMEOUT_SECONDS)
    except NodeprovError:
        return set()
    return parse_ready_nodes(output.text)


def _services_run(machine: Machine, state: NspawnState) -> bool:
    try:
        output = state.shell(machine).run(render("lab/services-run.sh.j2"), timeout_seconds=_TIMEOUT_SECONDS)
    except NodeprovError:
        return False
    return output.returncode == 0
