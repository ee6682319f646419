"""The engine in a pod on a real node: what it leaves, what kills it, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.in_cluster import release_image
from nodeprov.in_cluster.pod import PodImages
from nodeprov.releases.container_image import Member
from nodeprov.releases.obtain import Release
from tests.lab.machines import CLASS, CURRENT, LABEL, NEW, WORKER, Kubectl, Machine
from tests.lab.pods import MACHINE, PROCESS, Pods, image_file, pods_on
from tests.lab.running import INVENTORY, installed, nodeprov
from tests.support.sampling import by_turns

pytestmark = by_turns
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


def test_what_ssh_has_installed_a_pod_takes_back(worker: Machine, made: tuple[Pods, PodImages]) -> None:
    pods, images = made
    before = worker.listing()
    installed(WORKER)
    assert pods.run("install", images).outcome == "unchanged"
    assert pods.run("uninstall", images).outcome == "done"
    assert worker.listing() == before
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0


MOMENTS = {
    "it runs": f"pgrep -xf '{PROCESS}' > /dev/null",
    "it holds the node's lock": f"[ -s {STATE}/lock ]",
    "its receipt is written": f"ls {STATE}/receipts/*.json > /dev/null 2>&1",
    "the release is there": "ls -d /opt/nodeprov/releases/2* > /dev/null 2>&1",
    "the new generation is in force": f"[ -L {CURRENT} ]",
    "containerd restarts": f"[ -e {STATE}/switch/restarting ]",
    "the node has decided": f"[ -e {STATE}/switch/outcome ]",
}


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


def test_a_kubelet_that_restarts_meanwhile_changes_nothing(worker: Machine, made: tuple[Pods, PodImages]) -> None:
    pods, images = made
    name = pods.begin("install", images)
    worker.run(f"for _ in $(seq 1200); do {MOMENTS['the release is there']} && break; sleep 0.05; done")
    worker.run("systemctl restart kubelet")
    result, _ = pods.result(name)
    assert (result.exit, result.outcome, result.release) == (0, "done", NEW)
    only_the_cluster_is_left()


def test_an_image_that_lies_is_refused_and_the_node_is_as_before(
    worker: Machine, made: tuple[Pods, PodImages], tmp_path: Path
) -> None:
    pods, images = made
    before = worker.listing()
    release = _obtained(tmp_path)
    whole = release_image.build(release)
    program, files = whole.layers
    content = (release.folder / "runsc").read_bytes()
    lying = replace(whole, layers=[program, {**files, "release/runsc": Member(content[:-1] + b"?", 0o755)}])
    name = release_image.reference("lying")
    lied = pods.bring(image_file(name, lying, tmp_path / "lying.tar"), name)
    result = pods.run("install", replace(images, release=lied))
    assert (result.exit, result.outcome, result.restarted) == (1, "failed", False)
    assert result.error is not None
    assert "runsc has the sha512" in result.error.what
    assert worker.listing() == before


def test_another_machine_than_the_cluster_means_is_refused(made: tuple[Pods, PodImages]) -> None:
    pods, images = made
    result = pods.run("install", images, machine_id="0" * 32)
    assert (result.exit, result.outcome) == (1, "failed")
    assert result.error is not None
    assert "is another machine" in result.error.what


def test_a_containerd_whose_restart_ends_pods_is_not_restarted(
    worker: Machine, made: tuple[Pods, PodImages]
) -> None:
    pods, images = made
    worker.drop_in("KillMode=control-group")
    result = pods.run("install", images)
    assert (result.exit, result.outcome, result.restarted) == (1, "failed", False)
    assert result.error is not None
    assert "KillMode=control-group" in result.error.what
    assert "set KillMode=process" in result.error.hint


def _obtained(folder: Path) -> Release:
    from nodeprov.inventory import parse
    from nodeprov.runtimes import SOFTWARE
    from nodeprov.runtimes.obtaining import obtained

    [node, *_] = parse(INVENTORY.read_text(), "x").nodes
    return obtained(SOFTWARE, node.settings.release, MACHINE)
