"""A switch of release under load: sandboxes are created and started without a gap, and old ones live on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import CLASS, IMAGE, NEW, OLD, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, variant
from tests.support.sampling import by_turns, is_full

AT_ONCE = 10
WITHOUT_END = 100_000
SPEAKS = "echo began; sleep 100000"


@pytest.fixture
def between(request: pytest.FixtureRequest) -> int:
    """How many sandboxes end between two switches: with --profile=full so many that a gap of 0.1 s is met."""
    return 50 if is_full(request.config) else 8


def load() -> dict[str, Any]:
    """A job whose every pod is a sandbox that is created, started, and ends well; it goes on until suspended."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "load"},
        "spec": {
            "completions": WITHOUT_END,
            "parallelism": AT_ONCE,
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"made-by": "tests"}},
                "spec": {
                    "runtimeClassName": CLASS,
                    "nodeName": WORKER,
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 0,
                    "automountServiceAccountToken": False,
                    "containers": [
                        {
                            "name": "main",
                            "image": IMAGE,
                            "imagePullPolicy": "Never",
                            "command": ["true"],
                            "resources": {"requests": {"memory": "1Mi", "cpu": "1m"}},
                        }
                    ],
                },
            },
        },
    }


@by_turns
def test_switches_in_each_direction_under_load_fail_no_sandbox(
    worker: Machine, kubectl: Kubectl, tmp_path: Path, between: int
) -> None:
    older = variant(tmp_path, release__version=f'"{OLD}"')
    newer = variant(tmp_path, release__version=f'"{NEW}"')
    installed(WORKER, inventory=older)
    kubectl.pod("plain", WORKER, sandboxed=False)
    kubectl.pod("old-of-older", WORKER, sandboxed=True, command=SPEAKS)
    installed(WORKER, inventory=newer)
    kubectl.pod("old-of-newer", WORKER, sandboxed=True, command=SPEAKS)
    plain, pid = kubectl.container("plain"), worker.pid()
    before = {name: kubectl.container(name) for name in ("old-of-older", "old-of-newer")}

    kubectl("apply", "-f", "-", stdin=json.dumps(load()))
    for inventory in (older, newer, older):
        ended(kubectl, between)
        installed(WORKER, inventory=inventory)
    straddling = {name for name, phase in phases(kubectl).items() if phase != "Succeeded"}
    assert straddling, "no sandbox was under way in the last switch"
    ended(kubectl, between)
    with eventually(200) as more:
        while left := {name for name in straddling if phases(kubectl)[name] != "Succeeded"}:
            assert more(), f"these began before the last switch and did not end: {left}"
    assert "failed" not in kubectl.json("get", "job", "load")["status"]
    assert failures(kubectl) == []
    kubectl("patch", "job", "load", "--patch", '{"spec": {"suspend": true}}')
    assert worker.pid() == pid, "containerd was restarted"
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (plain["containerID"], plain["restartCount"])

    # In force is the older release: the one's container restarts in its own, the other's in an older one.
    for name, container in before.items():
        still_lives(kubectl, worker, name, container)
    kubectl("delete", "job", "load", "--cascade=foreground")


def ended(kubectl: Kubectl, sandboxes: int) -> None:
    """Wait until so many more sandboxes have ended, and see that none of them failed."""
    before = succeeded(kubectl)
    with eventually(400) as more:
        while succeeded(kubectl) < before + sandboxes:
            assert more(), f"{sandboxes} more did not end"


def succeeded(kubectl: Kubectl) -> int:
    """How many sandboxes have ended well; none may have failed."""
    status = kubectl.json("get", "job", "load")["status"]
    assert not status.get("failed"), status
    return int(status.get("succeeded", 0))


def phases(kubectl: Kubectl) -> dict[str, str]:
    """Each sandbox of the load, and its phase."""
    pods = kubectl.json("get", "pods", "--selector", "job-name=load")["items"]
    return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in pods}


def failures(kubectl: Kubectl) -> list[str]:
    """What went wrong with pods of this test; events of other tests' pods are still there."""
    return [
        event["message"]
        for event in kubectl.json("get", "events")["items"]
        if event["type"] == "Warning"
        and event["involvedObject"]["name"].startswith(("load-", "old"))
        and event["reason"] != "MissingClusterDNS"
    ]


def still_lives(kubectl: Kubectl, worker: Machine, name: str, before: dict[str, Any]) -> None:
    """A pod from before the switches execs, logs, reports stats, restarts its container, and is deleted."""
    assert kubectl("exec", name, "--", "echo", "still here") == "still here\n"
    assert "Starting gVisor" in kubectl("exec", name, "--", "dmesg")
    assert kubectl("logs", name) == "began\n"
    assert kubectl.container(name)["containerID"] == before["containerID"]
    stats = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{WORKER}/proxy/stats/summary"))
    pod = next(each for each in stats["pods"] if each["podRef"]["name"] == name)
    assert pod["containers"][0]["memory"]["workingSetBytes"] > 0
    task = before["containerID"].removeprefix("containerd://")
    worker.run(f"ctr -n k8s.io tasks kill -s 9 {task}")
    with eventually(120) as more:
        while (status := kubectl.container(name))["restartCount"] == 0 or not status["ready"]:
            assert more(), f"the container did not restart inside its old pod: {status}"
    assert kubectl("exec", name, "--", "echo", "again") == "again\n"
    kubectl("delete", "pod", name, "--timeout=60s")
