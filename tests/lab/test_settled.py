"""A run with nothing to do, on real nodes: one question a node, one kubectl, and no change overlooked."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import LABEL, LEAST, OTHER, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

CALLS = "/root/kubectl-calls"
COUNTING = "/root/counting-kubectl"


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[Path, Machine]]:
    """An inventory whose kubectl writes down how it is called, and where."""
    master = Machine("master")
    lines = ("#!/bin/sh", f'echo "$3 $4 $5" >> {CALLS}', 'exec kubectl "$@"')
    master.run(f"printf '%s\\n' {shlex.join(lines)} > {COUNTING}; chmod 755 {COUNTING}")
    yield variant(tmp_path, cluster__kubectl=f'"{COUNTING}"'), master
    master.run(f"rm -f {COUNTING} {CALLS}")
    master.host.close()


def calls(master: Machine) -> list[str]:
    return master.run(f"cat {CALLS} 2>/dev/null; rm -f {CALLS}").splitlines()


def test_a_plan_reads_the_cluster_once_for_all_nodes_and_a_repeated_one_by_one_process(
    worker: Machine, other: Machine, counted: tuple[Path, Machine]
) -> None:
    inventory, master = counted
    assert LEAST in inventory.read_text()
    installed(WORKER, OTHER, inventory=inventory)
    time.sleep(1)  # what changed in the moment of a look is not remembered
    calls(master)
    first = nodeprov("plan", WORKER, OTHER, inventory=inventory)
    assert (first.returncode, "nothing to do" in first.stdout) == (0, True)
    assert [each.split()[0] for each in calls(master)] == ["config", "get"]
    again = nodeprov("plan", WORKER, OTHER, "--verbose", inventory=inventory)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert [each.split()[:2] for each in calls(master)] == [["get", "nodes,runtimeclasses.node.k8s.io"]]
    assert again.stderr.count(": command ") == 3, again.stderr


def test_what_the_cluster_has_lost_is_seen_at_once(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    time.sleep(1)
    for _ in range(2):
        assert "nothing to do" in nodeprov("plan", WORKER).stdout
    kubectl("label", "node", WORKER, f"{LABEL}-")
    assert nodeprov("plan", WORKER).returncode == 3
    installed(WORKER)
    assert "nothing to do" in nodeprov("plan", WORKER).stdout


def test_what_the_node_has_lost_is_seen_at_once(worker: Machine) -> None:
    installed(WORKER)
    time.sleep(1)
    for script in (
        "rm /opt/nodeprov/handlers/runsc/current",
        "f=$(ls -d /opt/nodeprov/releases/*/runsc); touch -r $f /run/kept; "
        "printf x | dd of=$f bs=1 seek=9 conv=notrunc 2> /dev/null; touch -r /run/kept $f",
    ):
        for _ in range(2):
            assert "nothing to do" in nodeprov("plan", WORKER).stdout
        worker.run(script)
        assert nodeprov("plan", WORKER).returncode == 3, script
        installed(WORKER)
        time.sleep(1)
