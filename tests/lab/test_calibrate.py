"""`nodeprov calibrate` on a real node, and what its value is worth: a node that is full by it loses no pod."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import CLASS, IMAGE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov, started
from tests.lab.trials import inventory_of_a_prober
from tests.support.sampling import by_turns

MEBIBYTE = 1 << 20
ROOM = 600 * MEBIBYTE
"""What the node's pods get together: so much that some tens of pods are enough to fill it."""
ASKED = 16
"""Mebibytes that each pod asks for, and takes."""
FULL = "fills=the-node"
KUBEPODS = "/sys/fs/cgroup/memory/kubepods"


@pytest.fixture
def inventory(kubectl: Kubectl, tmp_path: Path) -> Path:
    """The lab's inventory, with a user who may do what `nodeprov rbac --probe` prints, and no more."""
    return inventory_of_a_prober(kubectl, tmp_path)


@by_turns
def test_a_node_that_is_full_by_the_calibrated_overhead_loses_no_pod(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    installed(WORKER)
    applied = nodeprov("calibrate", WORKER, "--containers", "1", "--apply", "--yes", inventory=inventory)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    found = re.search(r"proposed for pods of up to 1 container: (\d+)Mi", applied.stdout)
    assert found, applied.stdout
    proposed = int(found[1])
    assert _overhead(kubectl) == {"cpu": "50m", "memory": f"{proposed}Mi"}
    assert 16 < proposed < 64  # 24 MiB were measured for one container, and 64Mi are ours without a measurement
    assert not _namespaces(kubectl)
    table = f'{{ "memory" = "{proposed}Mi", "cpu" = "50m" }}'
    assert f"[runtime_class] overhead = {table}" in applied.stderr
    setting = f"runtime_class.overhead={table}"
    assert nodeprov("plan", WORKER, "--set", setting).returncode == 0
    assert nodeprov("plan", WORKER).returncode == 3

    with _little_room(worker):
        assert _lost(kubectl, proposed) == []
    installed(WORKER, "--set", f"runtime_class.overhead.memory={proposed // 2}Mi")
    with _little_room(worker):
        assert _lost(kubectl, proposed // 2)


@by_turns
def test_a_calibration_that_is_interrupted_leaves_nothing(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    installed(WORKER)
    before = worker.listing()
    with started("calibrate", WORKER, inventory=inventory) as run:
        run.wait_for("measuring 1 container")
        with eventually(30) as more:
            while not (names := _namespaces(kubectl)):
                assert more()
        run.process.send_signal(signal.SIGINT)
        ended = run.end()
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "interrupted: removing the pods" in ended.stderr
    assert names
    assert not _namespaces(kubectl)
    assert worker.listing() == before
    assert "nodeprov-proof" not in worker.run("ctr -n k8s.io images ls -q")


@by_turns
def test_what_cannot_be_is_refused_before_anything_is_measured(worker: Machine, kubectl: Kubectl) -> None:
    nothing = nodeprov("calibrate", WORKER)
    assert nothing.returncode == 1
    assert "is not installed" in nothing.stderr
    installed(WORKER)
    ended = nodeprov("calibrate", WORKER)
    assert ended.returncode == 1
    assert "a namespace for pods of our own" in ended.stderr
    assert "hint: give that user the role that has it: nodeprov rbac --probe" in ended.stderr
    assert not _namespaces(kubectl)
    other = ("--set", "runtime.flags.net-raw=true")
    more = nodeprov("calibrate", WORKER, "--apply", "--yes", *other)  # it would make another generation
    assert more.returncode == 1
    assert "more than the overhead would change" in more.stderr
    assert "measuring" not in more.stderr


def _namespaces(kubectl: Kubectl) -> list[str]:
    found = kubectl.json("get", "namespaces", "-l", f"nodeprov.io/made-for=calibrate.{WORKER}")["items"]
    return [each["metadata"]["name"] for each in found]


def _overhead(kubectl: Kubectl) -> dict[str, str]:
    fixed: dict[str, str] = kubectl.json("get", "runtimeclass", CLASS)["overhead"]["podFixed"]
    return fixed


@contextmanager
def _little_room(worker: Machine) -> Iterator[None]:
    """Have the node as one on which pods get little together: kubelet's own cgroup for them has that limit."""
    limit = f"{KUBEPODS}/memory.limit_in_bytes"
    before = worker.run(f"cat {limit}").strip()
    worker.run(f"echo {ROOM + _taken(worker)} > {limit}")
    try:
        yield
    finally:
        worker.run(f"echo {before} > {limit}")


def _taken(worker: Machine) -> int:
    """Say what the pods that are there already have: those of other tests."""
    return int(worker.run(f"cat {KUBEPODS}/memory.usage_in_bytes"))


def _lost(kubectl: Kubectl, overhead: int) -> list[dict[str, Any]]:
    """Fill the node to the last pod by an overhead, as a scheduler does; return the pods that did not stay."""
    names = [f"full-{number}" for number in range(ROOM // MEBIBYTE // (ASKED + overhead))]
    kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*map(_pod, names)]})
    )
    try:
        with eventually(90) as more:  # one that is lost is enough: others may never come to run beside it
            while (phases := _phases(kubectl)) >= {"Pending"} and "Failed" not in phases and more():
                pass
        if "Failed" not in phases:
            kubectl.attempt("wait", "--for=jsonpath={.status.phase}=Failed", "pod", *names, "--timeout=10s")
        return [each for each in _statuses(kubectl) if each["phase"] != "Running"]
    finally:
        kubectl("delete", "pod", *names, "--timeout=60s")


def _statuses(kubectl: Kubectl) -> list[dict[str, Any]]:
    return [each["status"] for each in kubectl.json("get", "pods", "-l", FULL)["items"]]


def _phases(kubectl: Kubectl) -> set[str]:
    return {each["phase"] for each in _statuses(kubectl)}


def _pod(name: str) -> dict[str, Any]:
    """Write one that takes what it asks for, and might take more: only the node's room bounds all of them."""
    fills = f"dd if=/dev/zero of=/dev/shm/f bs=1M count={ASKED} && sleep 100000"
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", fills],
        "resources": {"requests": {"memory": f"{ASKED}Mi", "cpu": "1m"}, "limits": {"memory": "512Mi"}},
    }
    spec = {
        "nodeName": WORKER,
        "runtimeClassName": CLASS,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"made-by": "tests", "fills": "the-node"}},
        "spec": spec,
    }
