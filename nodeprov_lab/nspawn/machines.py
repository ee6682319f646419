"""Machines of the nspawn lab: where each lies on this one, how it boots a shared Debian, and whether it runs."""

import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_checked, start_daemon
from nodeprov.local_files import write_private
from nodeprov.templates import render
from nodeprov_lab import cluster, processes
from nodeprov_lab.access import RemoteShell, SshKey, known_hosts, ssh_argv
from nodeprov_lab.base import Machine, NodeFile, StateFolder, write_below
from nodeprov_lab.host import overlay_argv
from nodeprov_lab.nspawn import cgroups
from nodeprov_lab.nspawn.network import CONTROLLER_ADDRESS, NAMESPACES, namespace_of

MIRROR_PORT = 8080
SSH_PORT = 22
_TIMEOUT_SECONDS = 10.0
_UNITS = "/etc/systemd/system"


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
        self.inventory = path / "inventory.toml"  # the workers with a kubelet
        self.bare_inventory = path / "bare.toml"  # every worker, and no cluster
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


def machine_files(
    machine: Machine, machines: Sequence[Machine], host_key: SshKey, login_key: SshKey
) -> list[NodeFile]:
    """Write what makes the shared Debian this machine."""
    prepare = render("lab/nspawn-prepare.sh.j2", unified_cgroups=machine.unified_cgroups)
    return [
        NodeFile("/etc/hostname", f"{machine.name}\n".encode()),
        NodeFile("/etc/machine-id", f"{secrets.token_hex(16)}\n".encode(), 0o444),
        NodeFile("/etc/locale.conf", b"LANG=C.UTF-8\n"),  # without the file PAM complains of every login
        NodeFile("/etc/hosts", render("lab/hosts.j2", machines=machines).encode()),
        NodeFile("/etc/ssh/sshd_config.d/lab.conf", render("lab/sshd.conf.j2").encode()),
        NodeFile("/etc/ssh/ssh_host_ed25519_key", host_key.private, 0o600),
        NodeFile("/etc/ssh/ssh_host_ed25519_key.pub", f"{host_key.public}\n".encode()),
        NodeFile("/root/.ssh/authorized_keys", f"{login_key.public}\n".encode(), 0o600),
        NodeFile("/usr/local/lib/nodeprov-lab/prepare", prepare.encode()),
        NodeFile(f"{_UNITS}/nspawn-prepare.service", render("lab/nspawn-prepare.service.j2").encode()),
    ]


def mount_root(folder: MachineFolder, layers: Sequence[Path]) -> None:
    """Mount the layers, the topmost first, with a writable one of the machine's own above."""
    upper, work = folder.path / "upper", folder.path / "work"
    for path in (upper, work, folder.root, folder.containerd):
        path.mkdir(parents=True)
    options = f"lowerdir={':'.join(map(str, layers))},upperdir={upper},workdir={work}"
    run_checked(overlay_argv(options, folder.root), "cannot mount a machine's root")


def nspawn_argv(machine: Machine, folder: MachineFolder) -> list[str]:
    """Write the command that boots a machine.

    All capabilities and system calls: it runs containers itself.
    """
    name = namespace_of(machine)
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={folder.root}",
        f"--machine={name}",
        f"--hostname={machine.name}",
        "--register=no",
        "--keep-unit",
        f"--network-namespace-path={NAMESPACES / name}",
        "--capability=all",
        "--system-call-filter=@known",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--bind={folder.containerd}:/var/lib/containerd",
        "--boot",
    ]


def boot(machine: Machine, folder: MachineFolder, layers: Sequence[Path], files: Sequence[NodeFile]) -> None:
    """Start a machine whose network exists."""
    mount_root(folder, layers)
    write_below(folder.root, files)
    wants = folder.root / _UNITS.lstrip("/") / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "nspawn-prepare.service").symlink_to(f"{_UNITS}/nspawn-prepare.service")
    start(machine, folder)


def start(machine: Machine, folder: MachineFolder) -> None:
    """Start a machine from the disk that it has."""
    environment = {
        "SYSTEMD_SECCOMP": "0",  # its filters would be inherited by the containers inside
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if machine.unified_cgroups else "0",
    }
    name = namespace_of(machine)
    start_in_cgroup(name, nspawn_argv(machine, folder), folder.console, folder.process, environment=environment)


def start_in_cgroup(
    name: str, argv: Sequence[str], log: Path, process: Path, *, environment: Mapping[str, str] | None = None
) -> None:
    """Start a program in a cgroup of its own, by which it is found even when nobody wrote down that it runs."""
    script = render("lab/enter-cgroups.sh.j2", cgroups=cgroups.make_cgroups(name), argv=argv)
    processes.record(start_daemon(["sh", "-c", script], log, environment=environment), process)


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
    if not all(processes.at_once([partial(_services_run, machine, state) for machine in machines])):
        return False
    return ready_nodes(machines[0], state) == {machine.name for machine in machines if machine.has_kubelet}


def ready_nodes(master: Machine, state: NspawnState) -> set[str]:
    """Ask the cluster which nodes are Ready; none when it does not answer."""
    script = render("lab/ready-nodes.sh.j2", admin_conf=cluster.ADMIN_CONF, jsonpath=cluster.READY_JSONPATH)
    try:
        output = state.shell(master).run(script, timeout_seconds=_TIMEOUT_SECONDS)
    except NodeprovError:
        return set()
    return cluster.parse_ready_nodes(output.text)


def _services_run(machine: Machine, state: NspawnState) -> bool:
    try:
        script = render("lab/services-run.sh.j2", units=cluster.units(machine))
        output = state.shell(machine).run(script, timeout_seconds=_TIMEOUT_SECONDS)
    except NodeprovError:
        return False
    return output.returncode == 0
