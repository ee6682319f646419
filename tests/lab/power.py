"""A machine of the nspawn lab that loses its power, and gets it back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.labs import processes
from nodeprov.labs.nspawn import cgroups, health
from nodeprov.labs.nspawn.boot import nspawn_argv, start_in_cgroup
from nodeprov.labs.nspawn.lab import MACHINES, STATE
from nodeprov.labs.nspawn.network import namespace_of
from tests.lab.conftest import QUICKER
from tests.lab.machines import Machine


def cut(name: str) -> None:
    """Kill all that runs on a machine, at once and without a word."""
    found = [folder for folder in cgroups.find_cgroups(_cgroup(name)) if folder.name == _cgroup(name)]
    for folder in found:
        cgroups.thaw(folder)
    processes.kill_all(lambda: {pid for folder in found for pid in cgroups.processes_in(folder)})
    for folder in found:
        cgroups.remove_cgroup(folder)
    for kept in Path("/run/systemd/nspawn").glob(f"*/{_cgroup(name)}*"):
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()


def boot(machine: Machine) -> None:
    """Boot a machine again, with what its disk holds; wait until root can log in."""
    found = next(each for each in MACHINES if each.name == machine.name)
    folder = STATE.machine(found)
    environment = {"SYSTEMD_SECCOMP": "0", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"}
    argv = nspawn_argv(found, folder)
    start_in_cgroup(_cgroup(machine.name), argv, folder.console, folder.process, environment=environment)
    assert health.wait_for_port(found.address, health.SSH_PORT, 120)
    machine.host.close()
    for _ in range(60):
        try:
            machine.run(QUICKER)
            return
        except (NodeprovError, AssertionError):  # logins are refused while it boots
            time.sleep(1)
    raise AssertionError(f"{machine.name} does not come back: look at {folder.console}")


def _cgroup(name: str) -> str:
    return namespace_of(next(each for each in MACHINES if each.name == name))
