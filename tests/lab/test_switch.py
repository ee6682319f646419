"""A switch of release under load: sandboxes are created and started without a gap, and old ones live on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import IMAGE, NEW, OLD, Kubectl, Machine, eventually, installed, variant

SANDBOXES = 200
AT_ONCE = 10


def job(name: str) -> dict[str, Any]:
    """A job whose every pod is a sandbox that is created, started, and ends well."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": SANDBOXES,
            "parallelism": AT_ONCE,
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"made-by": "tests"}},
                "spec": {
                    "runtimeClassName": "gvisor",
                    "nodeName": "worker1",
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


@pytest.mark.parametrize(("first", "second"), [(OLD, NEW), (NEW, OLD)], ids=["upgrade", "rollback"])
def test_a_switch_under_load_fails_no_sandbox(
    worker1: Machine, kubectl: Kubectl, tmp_path: Path, first: str, second: str
) -> None:
    before = variant(tmp_path, release__version=f'"{first}"')
    after = variant(tmp_path, release__version=f'"{second}"')
    installed("worker1", inventory=before)
    kubectl.pod("plain", "worker1", sandboxed=False)
    kubectl.pod("old", "worker1", sandboxed=True, command="echo began; sleep 100000", restartPolicy="Always")
    plain, old, pid = kubectl.container("plain"), kubectl.container("old"), worker1.pid()

    kubectl("apply", "-f", "-", stdin=json.dumps(job("load")))
    reached(kubectl, "load", SANDBOXES // 4)
    installed("worker1", inventory=after)
    at_switch = kubectl.json("get", "job", "load")["status"]
    assert at_switch.get("succeeded", 0) < SANDBOXES, "the switch came too late to be straddled"
    installed("worker1", inventory=before)
    installed("worker1", inventory=after)
    reached(kubectl, "load", SANDBOXES)

    status = kubectl.json("get", "job", "load")["status"]
    assert (status["succeeded"], status.get("failed", 0)) == (SANDBOXES, 0)
    assert failures(kubectl) == []
    assert worker1.pid() == pid, "containerd was restarted"
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (plain["containerID"], plain["restartCount"])

    still_lives(kubectl, worker1, old)
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


def still_lives(kubectl: Kubectl, worker1: Machine, old: dict[str, Any]) -> None:
    """A pod from before the switch still execs, logs, reports stats, restarts a container, and is deleted."""
    assert kubectl("exec", "old", "--", "echo", "still here") == "still here\n"
    assert "Starting gVisor" in kubectl("exec", "old", "--", "dmesg")
    assert kubectl("logs", "old") == "began\n"
    assert kubectl.container("old")["containerID"] == old["containerID"]
    stats = json.loads(kubectl("get", "--raw", "/api/v1/nodes/worker1/proxy/stats/summary"))
    pod = next(each for each in stats["pods"] if each["podRef"]["name"] == "old")
    assert pod["containers"][0]["memory"]["workingSetBytes"] > 0
    kubectl.attempt("exec", "old", "--", "sh", "-c", "kill 1; kill -9 1")
    task = old["containerID"].removeprefix("containerd://")
    worker1.try_run(f"ctr -n k8s.io tasks kill -s 9 {task}")
    with eventually(120) as more:
        while (status := kubectl.container("old"))["restartCount"] == 0 or not status["ready"]:
            assert more(), f"the container did not restart inside its old pod: {status}"
    assert kubectl("exec", "old", "--", "echo", "again") == "again\n"
    kubectl("delete", "pod", "old", "--timeout=60s")
