"""The engine in a pod on a real node: what it leaves, what kills it, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.in_cluster.pod import PodImages
from tests.lab.machines import CLASS, CURRENT, LABEL, NEW, WORKER, Kubectl, Machine
from tests.lab.pods import PROCESS, Pods, pods_on
from tests.lab.running import installed, nodeprov
from tests.support.sampling import by_turns

STATE = "/var/lib/nodeprov"


@pytest.fixture
def made(worker: Machine, kubectl: Kubectl, tmp_path: Path) -> Iterator[tuple[Pods, PodImages]]:
    with pods_on(worker, kubectl, tmp_path) as made:
        yield made


def only_the_cluster_is_left() -> None:
    """See that for an install over SSH nothing is left to do but what the pods' maker does in the cluster."""
    ended = nodeprov("plan", WORKER, "--json")
    assert ended.returncode == 3, ended.stderr
    [plan] = json.loads(ended.stdout)["plans"]
    keys = [step["resource"] for step in plan["steps"] if "resource" in step]
    assert keys == [f"label:{WORKER}:{LABEL}", f"runtimeclass:{CLASS}"]


def test_a_pod_installs_its_node_as_ssh_does_and_takes_all_back(
    worker: Machine, made: tuple[Pods, PodImages]
) -> None:
    pods, images = made
    before = worker.listing()
    result = pods.run("stage", images)
    assert (result.exit, result.outcome, result.restarted, result.release) == (0, "done", False, "")
    result = pods.run("install", images)
    assert (result.exit, result.outcome, result.error) == (0, "done", None)
    assert (result.release, result.handlers, result.restarted) == (NEW, ("runsc",), True)
    assert worker.run("ls -A /opt/nodeprov/releases").split() == [worker.run("ls /opt/nodeprov/releases").strip()]
    here = worker.listing()
    only_the_cluster_is_left()
    installed(WORKER)
    assert worker.listing() == here
    verified = nodeprov("verify", WORKER)
    assert verified.returncode == 0, verified.stdout
    assert pods.run("install", images).outcome == "unchanged"
    result = pods.run("uninstall", images)
    assert (result.exit, result.outcome, result.release, result.handlers) == (0, "done", "", ())
    assert worker.listing() == before


MOMENTS = {
    "it runs": f"pgrep -xf '{PROCESS}' > /dev/null",
    "it holds the node's lock": f"[ -s {STATE}/lock ]",
    "its receipt is written": f"ls {STATE}/receipts/*.json > /dev/null 2>&1",
    "the release is there": "ls -d /opt/nodeprov/releases/2* > /dev/null 2>&1",
    "the new generation is in force": f"[ -L {CURRENT} ]",
}


@by_turns
@pytest.mark.parametrize("moment", MOMENTS)
def test_one_that_is_killed_is_started_again_and_ends_well(made: tuple[Pods, PodImages], moment: str) -> None:
    pods, images = made
    name = pods.begin("install", images)
    pods.kill_when(MOMENTS[moment])
    result, restarts = pods.result(name)
    assert restarts >= 1
    assert (result.exit, result.outcome, result.error) == (0, "done", None)
    assert (result.release, result.handlers, result.restarted) == (NEW, ("runsc",), True)
    only_the_cluster_is_left()
