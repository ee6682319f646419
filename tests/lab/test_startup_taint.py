"""A new node that kubelet has registered with a taint: it keeps it until it is proven that sandboxes run there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import CLASS, IMAGE, LABEL, OTHER, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, refused, started, variant
from tests.support.sampling import by_turns

pytestmark = by_turns
TAINT = "readiness.k8s.io/gvisor"


def new_node(folder: Path, **settings: str) -> Path:
    """Write an inventory whose new nodes come with the taint."""
    return variant(folder, cluster__startup_taint=f'"{TAINT}"', **settings)


@pytest.fixture
def tainted(worker: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    kubectl("taint", "node", WORKER, f"{TAINT}=pending:NoSchedule", "--overwrite")
    yield worker
    kubectl.attempt("taint", "node", WORKER, f"{TAINT}-")


def is_tainted(kubectl: Kubectl) -> bool:
    taints = kubectl.json("get", "node", WORKER)["spec"].get("taints", ())
    return any(each["key"] == TAINT for each in taints)


def waiting_pod() -> str:
    """Write a pod that wants a sandbox on the new node, and tolerates nothing."""
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", "dmesg; sleep 1000"],
    }
    spec = {
        "runtimeClassName": CLASS,
        "nodeSelector": {"kubernetes.io/hostname": WORKER},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    meta = {"name": "waits", "labels": {"made-by": "tests"}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})


def seen(kubectl: Kubectl) -> tuple[str, bool, bool]:
    """Return the pod's phase, whether the node is tainted after that, and whether it has the label."""
    pod, node = kubectl.json("get", "pod/waits", f"node/{WORKER}")["items"]
    taints = [each["key"] for each in node["spec"].get("taints", ())]
    return pod["status"]["phase"], TAINT in taints, LABEL in node["metadata"]["labels"]


def test_a_pod_of_the_runtime_class_waits_until_the_new_node_is_proven(
    tainted: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    """The class is there, for another node has it: only the label and the taint keep the pod away."""
    installed(OTHER)
    kubectl("create", "-f", "-", stdin=waiting_pod())
    states = [seen(kubectl)]
    assert states == [("Pending", True, False)]
    with started("install", WORKER, "--yes", inventory=new_node(tmp_path)) as running:
        running.wait_for("proven: the node reports the handler")
        states.append(seen(kubectl))
        while running.process.poll() is None:
            states.append(seen(kubectl))
        ended = running.end()
    assert ended.returncode == 0, ended.stderr
    assert states[1] == ("Pending", True, True), "the pod has only the taint to wait for"
    assert not [state for state in states if state[0] != "Pending" and state[1]], "it began on a tainted node"
    assert seen(kubectl)[1:] == (False, True)
    proof, taken = (ended.stderr.index(said) for said in ("proven: a pod of", f"done: taint {TAINT}"))
    assert proof < taken
    kubectl("wait", "--for=condition=Ready", "pod/waits", "--timeout=60s")
    assert "Starting gVisor" in kubectl("logs", "waits")


def test_a_node_whose_proof_fails_stays_tainted(tainted: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    before = tainted.listing()
    inventory = new_node(tmp_path, proof__image='"localhost/none:1"', proof__timeout_seconds="6")
    refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "localhost/none:1")
    assert is_tainted(kubectl)
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert tainted.listing() == before
    assert kubectl.classes() == []
    installed(WORKER, inventory=new_node(tmp_path))
    assert not is_tainted(kubectl)
