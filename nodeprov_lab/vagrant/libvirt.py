"""libvirt, started for the lab on a machine whose init does not run it, and what the lab leaves in it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program, start_daemon
from nodeprov.templates import render
from nodeprov_lab.base import Leftovers, OnEvent, step
from nodeprov_lab.processes import record, recorded
from nodeprov_lab.vagrant.state import PREFIX

RUN = Path("/run/nodeprov-lab/libvirt")
"""The files of a libvirt that is the lab's."""

_DAEMONS = ("virtlogd", "libvirtd")
_SYSTEMD = Path("/run/systemd/system")
_QEMU_CONF = "/etc/libvirt/qemu.conf"
_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 20.0
_TABLES = ("filter", "nat", "mangle")
_CHAIN_PREFIX = "LIBVIRT_"


def virsh(*arguments: str) -> str:
    """Run a command of libvirt's and return what it printed; "" when it fails."""
    output = run_program(["virsh", "--quiet", "--connect", "qemu:///system", *arguments])
    return output.text if output.returncode == 0 else ""


def answers() -> bool:
    """Return whether a libvirt runs here, whoever has started it."""
    return bool(virsh("version"))


def is_ours() -> bool:
    """Return whether the libvirt that runs is the lab's."""
    return recorded(_process("libvirtd")) is not None


def start(on_event: OnEvent) -> None:
    """Have libvirt run; raise NodeprovError if it does not."""
    if answers():
        return
    if _SYSTEMD.is_dir():
        raise NodeprovError(
            "libvirt does not answer", "systemctl start libvirtd; as another user: adduser USER libvirt"
        )
    with step(on_event, "starting libvirt"):
        RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
        _note_chains()
        (RUN / "libvirtd.conf").write_text(render("lab/libvirtd.conf.j2", log=RUN / "libvirtd.log"))
        (RUN / "qemu.conf").write_text(render("lab/qemu.conf.j2"))
        options = {"virtlogd": "", "libvirtd": f"--config={RUN / 'libvirtd.conf'}"}
        for daemon in _DAEMONS:
            # The machine's own configuration of qemu is covered, not changed: libvirt alone sees the mount.
            script = f'mount --bind "$1" {_QEMU_CONF} && shift && exec "$@"'
            program = [f"/usr/sbin/{daemon}", f"--pid-file={RUN / f'{daemon}.pid'}"]
            argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(RUN / "qemu.conf"), *program]
            argv += [options[daemon]] if options[daemon] else []
            record(start_daemon(argv, RUN / f"{daemon}.out"), _process(daemon))
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not answers():
            if time.monotonic() > deadline or not is_ours():
                raise NodeprovError(
                    "libvirt did not start", f"look at {RUN / 'libvirtd.out'}, {RUN / 'libvirtd.log'}"
                )
            time.sleep(0.1)


def stop() -> None:
    """End the libvirt that is the lab's, with the storage pool that Vagrant has made there; leave any other."""
    if is_ours():
        for action in ("pool-destroy", "pool-undefine"):
            virsh(action, "default")
    for daemon in reversed(_DAEMONS):
        _end(_process(daemon))
    _remove_chains()
    if RUN.is_dir():
        for path in RUN.iterdir():
            path.unlink()
        RUN.rmdir()
        if not any(RUN.parent.iterdir()):
            RUN.parent.rmdir()


def _process(daemon: str) -> Path:
    return RUN / f"{daemon}-process"


def _end(file: Path) -> None:
    process = recorded(file)
    if process is None:
        return
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while recorded(file) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    if recorded(file) is not None:
        os.kill(process.pid, signal.SIGKILL)


def _note_chains() -> None:
    """Write down which chains of libvirt's a firewall has already: those are not ours to remove."""
    noted = RUN / "chains-before"
    if not noted.exists():
        noted.write_text("\n".join(f"{table} {chain}" for table, chain in _chains()))


def _chains() -> list[tuple[str, str]]:
    found = []
    for table in _TABLES:
        for line in run_program(["iptables", "-t", table, "-S"]).text.splitlines():
            if line.startswith(f"-N {_CHAIN_PREFIX}"):
                found.append((table, line.split()[1]))
    return found


def _remove_chains() -> None:
    """Remove the firewall's chains that libvirt makes and, when it ends, leaves empty."""
    noted = RUN / "chains-before"
    if not noted.exists():
        return
    before = noted.read_text().splitlines()
    ours = [(table, chain) for table, chain in _chains() if f"{table} {chain}" not in before]
    for table, chain in ours:
        for line in run_program(["iptables", "-t", table, "-S"]).text.splitlines():
            if line.endswith(f"-j {chain}"):
                run_program(["iptables", "-t", table, "-D", *line.split()[1:]])
    for action in ("-F", "-X"):
        for table, chain in ours:
            run_program(["iptables", "-t", table, action, chain])


@dataclass(frozen=True, slots=True)
class VagrantLeftovers(Leftovers):
    """What is there of this lab."""

    domains: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]


def look_for_leftovers() -> VagrantLeftovers:
    """Look for all of it; libvirt must run."""
    domains = [name for name in virsh("list", "--all", "--name").split() if name.startswith(f"{PREFIX}-")]
    networks = [name for name in virsh("net-list", "--all", "--name").split() if name.startswith(PREFIX)]
    volumes = [line.split()[0] for line in virsh("vol-list", "default").splitlines() if line.strip()]
    return VagrantLeftovers(
        tuple(domains), tuple(networks), tuple(name for name in volumes if name.startswith(PREFIX))
    )


def remove_leftovers() -> VagrantLeftovers:
    """Remove all of it, and return what would not go."""
    found = look_for_leftovers()
    for domain in found.domains:
        virsh("destroy", domain)
        virsh("undefine", domain, "--nvram")
    for network in found.networks:
        virsh("net-destroy", network)
        virsh("net-undefine", network)
    for volume in found.volumes:
        virsh("vol-delete", "--pool", "default", volume)
    return look_for_leftovers()


def is_running(machine: str) -> bool:
    """Return whether a machine's domain runs."""
    return virsh("domstate", domain_of(machine)).strip() == "running"


def domain_of(machine: str) -> str:
    """Name a machine's domain."""
    return f"{PREFIX}-{machine}"
