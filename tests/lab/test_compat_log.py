"""`nodeprov compat-log` after a real pod has made calls that gVisor does not know."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.machines import CLASS, IMAGE, NAMESPACE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov
from tests.support.sampling import by_turns

CALLS = "for i in 1 2 3; do swapoff /nothing; done; exec sleep 100000"
"""Three calls of swapoff: EPERM for most, and ENOSYS for who may do it, which gVisor then notes."""


@by_turns
def test_calls_that_a_sandbox_does_not_know_are_told_by_workload(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    for name, sandboxed in (("calls-0", True), ("calls-1", True), ("calls-2", False)):
        kubectl("apply", "-f", "-", stdin=json.dumps(_calling(name, sandboxed=sandboxed)))
    kubectl("wait", "--for=condition=Ready", "pod", "-l", "made-by=tests", "--timeout=90s")
    before = worker.listing()
    with eventually(20) as more:
        while not (found := _of_our_pods("swapoff")):
            assert more(), nodeprov("compat-log", WORKER).stdout
    (row,) = found
    assert row["since"].endswith("Z")
    assert {**row, "since": ""} == {
        "namespace": NAMESPACE,
        "workload": "calls",
        "call": "swapoff",
        "pods": 2,  # once in each sandbox, however often it was called, and not where the node's kernel knows it
        "since": "",
        "nodes": [WORKER],
    }
    assert "swapoff" in nodeprov("compat-log", WORKER, "--quiet").stdout
    assert worker.listing() == before


def _of_our_pods(call: str) -> list[dict[str, Any]]:
    output = nodeprov("compat-log", WORKER, "--json")
    assert output.returncode == 0, output.stderr
    return [each for each in json.loads(output.stdout)["calls"] if each["call"] == call]


def _calling(name: str, *, sandboxed: bool) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", CALLS],
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
    }
    spec = {"nodeName": WORKER, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"made-by": "tests"}},
        "spec": {**spec, **({"runtimeClassName": CLASS} if sandboxed else {})},
    }
