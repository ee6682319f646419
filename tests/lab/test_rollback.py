"""Upgrade, rollback and gc on real nodes: from loose files to archives and back, with sandboxes of both."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tests.lab.machines import ADDRESSES, NAMESPACE, NEW, OLD, WORKER, Kubectl, Machine, eventually
from tests.lab.releases import in_force, of_release, rolled_back, storm
from tests.lab.running import installed, nodeprov, refused
from tests.support.sampling import by_turns

PODS = 200
"""How many pods are started while a worker goes from release to release."""


def kernel(kubectl: Kubectl, pod: str) -> str:
    """See that a pod runs in a sandbox still, by running something in it."""
    return kubectl("exec", pod, "--", "cat", "/proc/version")


def test_there_and_back_with_sandboxes_of_both(worker: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    old, new = of_release(tmp_path, OLD), of_release(tmp_path, NEW)
    installed(WORKER, inventory=old)
    pid, config = worker.pid(), worker.config()
    kubectl.pod("of-old", WORKER, sandboxed=True)
    planned = nodeprov("plan", WORKER, inventory=new).stdout
    assert "containerd is not restarted, and the node keeps its label" in planned
    assert re.search(rf"1 sandbox \({NAMESPACE}/of-old\) of {OLD}-\w+ goes on with it", planned), planned
    installed(WORKER, inventory=new)
    kubectl.pod("of-new", WORKER, sandboxed=True)

    plan = nodeprov("plan", WORKER, "--rollback", inventory=new)
    assert plan.returncode == 3
    assert f"{NAMESPACE}/of-new" in plan.stdout
    assert f"of {NEW}-" in plan.stdout
    rolled_back(WORKER, inventory=new)  # how long it may take, the story of a release holds
    assert OLD in in_force(worker)
    assert (worker.pid(), worker.config()) == (pid, config)
    for pod in ("of-old", "of-new"):
        assert "gvisor" in kernel(kubectl, pod).lower()
    kubectl.pod("again-of-old", WORKER, sandboxed=True)

    again = nodeprov("rollback", WORKER, "--yes", inventory=new)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)
    refused(nodeprov("install", WORKER, "--yes", inventory=new), "rolled this node back to", "--forward")
    forward = nodeprov("install", WORKER, "--yes", "--forward", inventory=new)
    assert forward.returncode == 0, forward.stderr
    assert "to upload" not in forward.stdout
    assert (NEW in in_force(worker), worker.pid()) == (True, pid)
    for pod in ("of-old", "of-new", "again-of-old"):
        assert "gvisor" in kernel(kubectl, pod).lower()
        kubectl("delete", "pod", pod, "--grace-period=1", "--wait=true")


@by_turns
def test_it_needs_neither_origin_nor_cache_nor_api_server(
    worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    installed(WORKER, inventory=of_release(tmp_path, OLD))
    installed(WORKER, inventory=of_release(tmp_path, NEW))
    away = tmp_path / "away"
    away.mkdir()
    alone = of_release(tmp_path, NEW, release__base_url='"http://127.0.0.1:1"')
    alone.write_text(alone.read_text().replace(ADDRESSES["master"], "10.123.0.99"))  # where kubectl would run
    cache = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(away)
    try:
        assert nodeprov("install", WORKER, "--yes", "--deep", inventory=alone).returncode != 0, "nothing answers"
        rolled_back(WORKER, inventory=alone)
    finally:
        if cache is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = cache
    assert OLD in in_force(worker)


@by_turns
def test_pods_go_on_starting_while_a_worker_goes_from_release_to_release(
    worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    old, new = of_release(tmp_path, OLD), of_release(tmp_path, NEW)
    installed(WORKER, inventory=old)
    installed(WORKER, inventory=new)
    kubectl("apply", "-f", "-", stdin=storm(WORKER, PODS))
    status: dict[str, Any] = {}
    rounds = 0
    while not status.get("failed") and not status.get("completionTime"):
        rolled_back(WORKER, inventory=new)
        forward = nodeprov("install", WORKER, "--yes", "--forward", inventory=new)
        assert forward.returncode == 0, forward.stderr
        rounds += 1
        status = kubectl.json("get", "job", "storm")["status"]
    assert (status.get("succeeded"), status.get("failed", 0)) == (PODS, 0)
    assert rounds > 1
    kubectl("delete", "job", "storm", "--wait=true")


@by_turns
def test_gc_keeps_what_a_sandbox_runs_and_removes_it_when_it_has_ended(
    worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    old = of_release(tmp_path, OLD)
    new = of_release(tmp_path, NEW, release__keep="0")
    installed(WORKER, inventory=old)
    kubectl.pod("of-old", WORKER, sandboxed=True)
    installed(WORKER, inventory=new)
    kept = nodeprov("gc", WORKER, "--yes", inventory=new)
    assert kept.returncode == 0, kept.stderr
    assert re.search(rf"keeps {OLD}-\w+, generation \w+: pod {NAMESPACE}/of-old", kept.stdout), kept.stdout
    assert "gvisor" in kernel(kubectl, "of-old").lower()
    kubectl("delete", "pod", "of-old", "--grace-period=1", "--wait=true")
    with eventually() as more:
        while nodeprov("plan", WORKER, "--gc", inventory=new).returncode != 3:
            assert more(), "its sandbox has ended"
    assert nodeprov("gc", WORKER, "--yes", inventory=new).returncode == 0
    assert f"/{OLD}-" not in worker.run("ls -d /opt/nodeprov/releases/*")
    refused(nodeprov("rollback", WORKER, "--yes", inventory=new), "is not on the node any more")
