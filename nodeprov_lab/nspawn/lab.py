"""The nspawn lab: a few machines in containers of this one, each in a network namespace of its own."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from nodeprov.errors import NodeprovError, Problems
from nodeprov.local_files import write_private
from nodeprov.templates import render
from nodeprov_lab import cluster
from nodeprov_lab.access import make_key, remote_command
from nodeprov_lab.base import Machine, MachineStatus, OnEvent, find_machine, statuses, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.gobuild import find_go
from nodeprov_lab.gvisor_releases import ARCHIVE_RELEASE, BASE_PATH
from nodeprov_lab.host import may_lower_oom_score, own_capabilities
from nodeprov_lab.nspawn import cgroups, leftovers, machines, network, requirements
from nodeprov_lab.nspawn.shape import Shape
from nodeprov_lab.parts import Parts, make_parts
from nodeprov_lab.processes import at_once

STATE = machines.NspawnState(Path("/var/lib/nodeprov-lab/nspawn"))
MACHINES = Shape().machines
_BOOT_TIMEOUT_SECONDS = 60.0
_PACKAGED = Path(__file__).with_name("lab.toml")  # in a wheel
_CHECKOUT = Path(__file__).parents[2] / "inventory" / "lab.toml"


def inventory_path(shape: Shape) -> Path:
    """Say where the inventory of a lab is: that of the usual size comes with nodeprov."""
    if shape != Shape():
        return STATE.inventory
    return _PACKAGED if _PACKAGED.exists() else _CHECKOUT


def inventory_text(workers: Sequence[Machine], master: Machine | None) -> str:
    """Write an inventory of workers, which without a master are taken for machines outside of any cluster."""
    return render(
        "lab/nspawn-inventory.toml.j2",
        workers=workers,
        master=master,
        key=str(STATE.login_key),
        known_hosts=str(STATE.known_hosts),
        kubeconfig=cluster.ADMIN_CONF,
        release=ARCHIVE_RELEASE,
        base_url=f"http://{network.CONTROLLER_ADDRESS}:{machines.MIRROR_PORT}/{BASE_PATH}",
    )


class NspawnLab:
    """A lab of systemd-nspawn containers on this machine."""

    def __init__(self, cache: Path, *, debian_mirror: str = "", shape: Shape | None = None) -> None:
        """Know the lab that is there; without one, or if it is to be made, the lab of that shape."""
        there = Shape.read(STATE.path) if os.geteuid() == 0 else None
        self._wanted, self._shape = shape, there or shape or Shape()
        self._cache = Cache(cache)
        self._debian_mirror = debian_mirror
        self._able = may_lower_oom_score(own_capabilities())
        unified = cgroups.is_unified(Path("/proc/self/mountinfo").read_text())
        self.machines: Sequence[Machine] = tuple(
            replace(
                machine,
                # With cgroup v2 as kubeadm does it. (Not tried: the lab was made where cgroup v1 is.)
                cgroup_driver="systemd" if unified else "cgroupfs",
                unified_cgroups=unified,
                may_lower_oom_score=self._able,
            )
            for machine in self._shape.machines
        )

    def up(self, on_event: OnEvent) -> None:
        if self._wanted not in (None, self._shape):
            raise NodeprovError(
                f"the lab is there, made by `nodeprov lab up{self._shape.options}`",
                f"nodeprov lab down, then nodeprov lab up{self._wanted.options}",
            )
        down = [machine for machine in self.machines if not machines.is_running(machine, STATE)]
        problems = requirements.problems(requirements.gather(STATE.path, self._cache.root, down))
        if problems:
            raise Problems(problems, where="this machine")
        with self._locked(on_event):
            with step(on_event, "looking at what is there"):
                if machines.is_healthy(self.machines, STATE):
                    return
            go = find_go()
            assert go is not None  # or it would have been a problem
            parts = make_parts(self._cache, go, self._debian_mirror, on_event, tolerant=not self._able)
            if not leftovers.look(STATE.path).nothing:
                with step(on_event, "removing what is left of an earlier lab"):
                    leftovers.remove(STATE.path)
            with step(on_event, "booting the machines"):
                self._boot(parts)
            settings = cluster.Settings(etcd_arguments=cluster.EXPENDABLE_DATA)
            nodes = [cluster.Node(machine, STATE.shell(machine)) for machine in self.machines]
            write_private(STATE.admin_conf, cluster.install(nodes, parts.images, settings, on_event))

    def write_inventory(self, on_event: OnEvent) -> Path:  # noqa: ARG002  it is written already
        """Return the inventory: addresses and keys of a lab of one size are always the same."""
        return inventory_path(self._shape)

    def down(self, on_event: OnEvent) -> None:
        requirements.require_root()
        with self._locked(on_event), step(on_event, "removing the lab"):
            leftovers.remove(STATE.path)

    def status(self) -> Sequence[MachineStatus]:
        requirements.require_root()
        running = {machine.name for machine in self.machines if machines.is_running(machine, STATE)}
        ready = machines.ready_nodes(self.machines[0], STATE) if self.machines[0].name in running else set()
        return statuses(self.machines, running, ready)

    def ssh_argv(self, machine: str, command: Sequence[str], *, terminal: bool) -> list[str]:
        requirements.require_root()
        found = find_machine(self.machines, machine)
        if not STATE.known_hosts.exists():
            raise NodeprovError("the lab is not up", "nodeprov lab up")
        program, *login = STATE.login(found)
        options = ["-t"] if terminal and command else []
        return [program, *options, *login, *remote_command(command)]

    def kubectl_argv(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """Write the command that runs kubectl on the master as the cluster's administrator."""
        command = ["env", f"KUBECONFIG={cluster.ADMIN_CONF}", "kubectl", *arguments]
        return self.ssh_argv(self.machines[0].name, command, terminal=terminal)

    @contextmanager
    def _locked(self, on_event: OnEvent) -> Iterator[None]:
        STATE.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(STATE.lock)
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            with step(on_event, "waiting for another run to let go of the lab"):
                held = lock.acquire()
        with held:
            yield

    def _boot(self, parts: Parts) -> None:
        STATE.path.mkdir(mode=0o700)
        self._shape.write(STATE.path)
        members = [machine for machine in self.machines[1:] if machine.has_kubelet]
        write_private(STATE.inventory, inventory_text(members, self.machines[0]).encode())
        write_private(STATE.bare_inventory, inventory_text(self.machines[1:], None).encode())
        login_key, host_keys = make_key(), [make_key() for _ in self.machines]
        STATE.write_keys(self.machines, login_key, host_keys)
        network.make_network(self.machines)
        where = [str(parts.programs.mirror), network.CONTROLLER_ADDRESS, str(machines.MIRROR_PORT)]
        argv = [sys.executable, "-m", "nodeprov_lab.mirror", *where]
        machines.start_in_cgroup(f"{network.PREFIX}mirror", argv, STATE.mirror_log, STATE.mirror_process)
        for machine, host_key in zip(self.machines, host_keys, strict=True):
            files = machines.machine_files(machine, self.machines, host_key, login_key)
            machines.boot(machine, STATE.machine(machine), [*parts.programs.layers(machine), parts.debian], files)
        at_once([partial(self._wait_for_boot, machine) for machine in self.machines])
        self._wait_for_mirror()

    def _wait_for_boot(self, machine: Machine) -> None:
        if not machines.wait_for_port(machine.address, machines.SSH_PORT, _BOOT_TIMEOUT_SECONDS):
            hint = f"look at {STATE.machine(machine).console}"
            raise NodeprovError("did not boot", hint, where=machine.name)

    def _wait_for_mirror(self) -> None:
        # Another program that has the port answers too, and ours has ended by then.
        answers = machines.wait_for_port(network.CONTROLLER_ADDRESS, machines.MIRROR_PORT, _BOOT_TIMEOUT_SECONDS)
        if not answers or not machines.mirror_runs(STATE):
            said = STATE.mirror_log.read_text().strip().rpartition("\n")[2]
            hint = f"ss -ltnp 'sport = :{machines.MIRROR_PORT}' shows who has its port"
            raise NodeprovError(f"the release mirror did not start: {said}", hint)
