"""Whether the machines of the nspawn lab run, and their cluster with them."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from functools import partial

from nodeprov.errors import NodeprovError
from nodeprov.templates import render
from nodeprov_lab import cluster, processes
from nodeprov_lab.base import Machine
from nodeprov_lab.cluster import READY_JSONPATH, parse_ready_nodes
from nodeprov_lab.nspawn.network import CONTROLLER_ADDRESS
from nodeprov_lab.nspawn.state import NspawnState
from nodeprov_lab.processes import at_once

MIRROR_PORT = 8080
SSH_PORT = 22
_TIMEOUT_SECONDS = 10.0


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
    """Say whether the machine's process is there."""
    return processes.recorded(state.machine(machine).process) is not None


def mirror_runs(state: NspawnState) -> bool:
    """Say whether the mirror's process is there."""
    return processes.recorded(state.mirror_process) is not None


def is_healthy(machines: Sequence[Machine], state: NspawnState) -> bool:
    """Say whether every machine runs, its services do, its node is Ready, and the mirror answers."""
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
