"""The power cord of a machine of the nspawn lab: pulled, and put in again. What it has written stays."""

from __future__ import annotations

import json
import time
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_checked, run_program
from nodeprov.local_files import cache_folder
from nodeprov_lab import base, processes
from nodeprov_lab.nspawn import cgroups, network
from nodeprov_lab.nspawn.lab import STATE, NspawnLab
from nodeprov_lab.nspawn.machines import SSH_PORT, start, wait_for_port
from tests.lab.conftest import QUICKER
from tests.lab.machines import Machine

BOOTS_WITHIN_SECONDS = 90.0


def _machine(name: str) -> base.Machine:
    return next(each for each in NspawnLab(cache_folder() / "lab").machines if each.name == name)


def pull(name: str) -> None:
    """Kill all that runs on a machine, at once and by nothing that it could notice."""
    namespace = network.namespace_of(_machine(name))
    own = [path for path in cgroups.find_cgroups(namespace) if path.name == namespace]
    for cgroup in own:
        cgroups.thaw(cgroup)

    def find() -> set[int]:
        found = {pid for cgroup in own for pid in cgroups.processes_in(cgroup)}
        return found | set(network.processes_in_namespace(namespace))

    stubborn = processes.kill_all(find)
    assert not stubborn, f"{name}: {stubborn} do not end"
    for cgroup in own:
        cgroups.remove_cgroup(cgroup)
    _unplug_pods(namespace)


def _unplug_pods(namespace: str) -> None:
    """Take away what a reboot loses: the pods' interfaces, which outlive a machine of the lab."""
    links = json.loads(run_checked(["ip", "-n", namespace, "-json", "link"], "ip link"))
    for name in (link["ifname"] for link in links if link["ifname"] not in ("lo", "eth0")):
        run_program(["ip", "-n", namespace, "link", "delete", name])


def put_in(name: str) -> None:
    """Boot the machine again, from the disk that it had, and wait for its sshd."""
    machine = _machine(name)
    folder = STATE.machine(machine)
    start(machine, folder)
    if not wait_for_port(machine.address, SSH_PORT, BOOTS_WITHIN_SECONDS):
        raise AssertionError(f"{name} does not boot: {Path(folder.console).read_text()[-2000:]}")


def boot(machine: Machine) -> None:
    """Boot a machine again, and wait until root can log in."""
    put_in(machine.name)
    machine.host.close()
    for _ in range(60):
        try:
            machine.run(QUICKER)
        except (NodeprovError, AssertionError):  # logins are refused while it boots
            time.sleep(1)
        else:
            return
    raise AssertionError(f"{machine.name} does not come back")
