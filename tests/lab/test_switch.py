"""A switch of release under load: sandboxes are created and started without a gap, and old ones live on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import (
    CLASS,
    IMAGE,
    NEW,
    OLD,
    WORKER,
    Kubectl,
    Machine,
    eventually,
    installed,
    variant,
)
from tests.sampling import is_full

AT_ONCE = 10
SPEAKS = "echo began; sleep 100000"


@pytest.fixture
def sandboxes(request: pytest.FixtureRequest) -> int:
    """How many are made: with --profile=full so many that a gap of a tenth of a second is met."""
    return 200 if is_full(request.config) else 120


def job(name: str, sandboxes: int) -> dict[str, Any]:
    """A job whose every pod is a sandbox that is created, started, and ends well."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": sandboxes,
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


def test_switches_in_each_direction_under_load_fail_no_sandbox(
    worker: Machine, kubectl: Kubectl, tmp_path: Path, sandboxes: int
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

    kubectl("apply", "-f", "-", stdin=json.dumps(job("load", sandboxes)))
    for share, inventory in ((10, older), (5, newer), (3, older)):
        reached(kubectl, "load", sandboxes // share)
        installed(WORKER, inventory=inventory)
    at_last_switch = kubectl.json("get", "job", "load")["status"]["succeeded"]
    assert at_last_switch < sandboxes, "the last switch came too late to be straddled"
    reached(kubectl, "load", sandboxes)

    status = kubectl.json("get", "job", "load")["status"]
    assert (status["succeeded"], status.get("failed", 0)) == (sandboxes, 0)
    assert failures(kubectl) == []
    assert worker.pid() == pid, "containerd was restarted"
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (plain["containerID"], plain["restartCount"])

    # In force is the older release: the one's container restarts in its own, the other's in an older one.
    for name, container in before.items():
        still_lives(kubectl, worker, name, container)
    kubectl("delete", "job", "load", "--cascade=foreground")


def reached(kubectl: Kubectl, name: str, succeeded: int) -> None:
    with eventually(400) as more:
        while kubectl.json("get", "job", name)["status"].get("succeeded", 0) < succeeded:
            status = kubectl.json("get", "job", name)["status"]
            assert not status.get("failed"), status
            assert more(), f"{name} did not get to {succeeded}: {status}"


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
