"""Machines of the nspawn lab: a Debian shared through overlays, booted in a container of its own."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeprov.hosts.local import run_checked, start_daemon
from nodeprov.templates import render
from nodeprov_lab.access import SshKey
from nodeprov_lab.base import Machine, NodeFile, write_below
from nodeprov_lab.nspawn import cgroups
from nodeprov_lab.nspawn.network import NAMESPACES, namespace_of
from nodeprov_lab.nspawn.state import MachineFolder
from nodeprov_lab.processes import record

_UNITS = "/etc/systemd/system"


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
    run_checked(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(folder.root)], "cannot mount a machine's root"
    )


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
    record(start_daemon(["sh", "-c", script], log, environment=environment), process)
