"""What may happen while a cluster installs its nodes: each run is explained, and the next one converges."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab import power
from tests.lab.dispatching import NODES, SYSTEM, Site
from tests.lab.machines import NEW, OTHER, WORKER, Kubectl, Machine, eventually
from tests.lab.pods import Pods
from tests.lab.running import Ended, nodeprov
from tests.support.sampling import by_turns

pytestmark = by_turns
THE_RELEASE_IS_THERE = "ls -d /opt/nodeprov/releases/2* > /dev/null 2>&1"
CONTAINERD_RESTARTS = "[ -e /var/lib/nodeprov/switch/restarting ]"


def run_while(site: Site, node: Machine, moment: str, happens: Callable[[], object]) -> Ended:
    """Have the cluster install its nodes; as soon as something is there on a node, something happens."""
    with site.started("run", *site.images, "--yes", "--json") as running:
        node.run(f"for _ in $(seq 2400); do {moment} && exit; sleep 0.05; done; exit 1", 180)
        happens()
        return running.end(600)


def explained(site: Site, ended: Ended) -> dict[str, Any]:
    """See that each node has ended in one way, and that one which is not done has a reason and what to do."""
    assert ended.returncode in (0, 1, 4), ended.stdout + ended.stderr + site.trouble()
    came = json.loads(ended.stdout)
    found = {each["node"]: each for each in came["outcomes"]} | {
        each["node"]: {**each, "result": "untouched", "hint": "-"} for each in came["untouched"]
    }
    assert sorted(found) == list(NODES)
    for each in found.values():
        assert each["result"] == "done" or (each["why"] and each["hint"]), each
    return found


def converges(site: Site) -> None:
    """Run it again: both nodes are done then, and nothing is left of what happened."""
    again = site.command("run", *site.images, "--yes", "--json")
    assert again.returncode == 0, again.stdout + again.stderr + site.trouble()
    assert site.labelled() == list(NODES)
    for name in NODES:
        node = site.kubectl.json("get", "node", name)
        assert "nodeprov.io/claimed" not in node["metadata"]["labels"]
        assert not node["spec"].get("unschedulable")
    assert site.kubectl.json("get", "pods", f"--namespace={SYSTEM}")["items"] == []
    planned = nodeprov("plan", *NODES, "--set", f"release.version={NEW}")
    assert planned.returncode == 0, planned.stdout + planned.stderr


def test_an_api_server_that_is_away_for_a_minute_holds_up_a_run_and_no_more(site: Site, worker: Machine) -> None:
    master = Machine("master")

    def goes_and_comes_back() -> None:
        # An end that it is asked for takes a minute by itself: it waits for its watches.
        master.run(
            "systemctl stop --no-block kube-apiserver; systemctl kill --signal=KILL kube-apiserver\n"
            "sleep 60; systemctl start kube-apiserver"
        )

    ended = run_while(site, worker, THE_RELEASE_IS_THERE, goes_and_comes_back)
    assert {each["result"] for each in explained(site, ended).values()} == {"done"}
    converges(site)


def test_a_containerd_that_dies_with_all_its_pods_fails_its_node_at_most(site: Site, worker: Machine) -> None:
    ended = run_while(
        site,
        worker,
        THE_RELEASE_IS_THERE,
        lambda: worker.run("systemctl kill --signal=KILL --kill-whom=all containerd"),
    )
    found = explained(site, ended)
    assert found[OTHER]["result"] == "done"
    assert found[WORKER]["result"] in ("done", "failed"), found  # containerd may be away when the engine needs it
    converges(site)


@pytest.mark.parametrize("moment", [THE_RELEASE_IS_THERE, CONTAINERD_RESTARTS])
def test_a_node_that_loses_its_power_goes_on_when_it_is_back(site: Site, worker: Machine, moment: str) -> None:
    def loses_power() -> None:
        power.pull(WORKER)
        power.boot(worker)

    ended = run_while(site, worker, moment, loses_power)
    explained(site, ended)
    converges(site)


def test_a_node_that_is_made_anew_under_its_name_while_it_is_changed(
    site: Site, worker: Machine, kubectl: Kubectl
) -> None:
    def is_made_anew() -> None:
        kubectl("delete", "node", WORKER)
        worker.run("systemctl restart kubelet")
        kubectl("wait", "--for=create", f"node/{WORKER}", "--timeout=60s")

    ended = run_while(site, worker, THE_RELEASE_IS_THERE, is_made_anew)
    explained(site, ended)
    converges(site)


def test_an_image_that_is_another_one_fails_its_nodes_and_changes_nothing(
    site: Site, worker: Machine, other: Machine, kubectl: Kubectl
) -> None:
    before = worker.config(), other.config()
    engine, right = site.images[1], site.images[3]
    [busybox] = {
        Pods(Machine(name), kubectl, site.folder).named_by_digest("docker.io/library/busybox:lab")
        for name in NODES
    }
    for images in ((engine, site.older_release()), (busybox, right)):
        ended = site.command("run", "--yes", "--json", "--engine-image", images[0], "--release-image", images[1])
        assert ended.returncode == 1, ended.stdout + ended.stderr + site.trouble()
        assert {each["result"] for each in explained(site, ended).values()} == {"failed"}
        assert (worker.config(), other.config()) == before
        assert site.labelled() == []
    converges(site)


STORM = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "storm"},
    "spec": {
        "completions": 300,
        "parallelism": 15,  # a result names 16 at most
        "backoffLimit": 1000,
        "template": {
            "metadata": {"labels": {"made-by": "tests"}},
            "spec": {
                "restartPolicy": "Never",
                "nodeSelector": {"kubernetes.io/hostname": WORKER},
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "main",
                        "image": "docker.io/library/busybox:lab",
                        "imagePullPolicy": "Never",
                        "command": ["sh", "-c", "sleep 1"],
                    }
                ],
            },
        },
    },
}


def test_of_a_storm_of_300_short_pods_each_victim_is_named(site: Site, worker: Machine, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(STORM))
    with eventually(60) as more:
        while kubectl.json("get", "job", "storm")["status"].get("succeeded", 0) < 10:
            assert more(), kubectl("get", "pods", "-o", "wide")
    ended = site.command("run", *site.images, "--yes", "--json")
    hit = explained(site, ended)[WORKER]["hit"]
    assert kubectl.json("get", "job", "storm")["status"].get("succeeded", 0) < 300, "the storm was over too early"
    kubectl("wait", "job/storm", "--for=condition=Complete", "--timeout=240s")
    pods = kubectl.json("get", "pods", "-l", "job-name=storm")["items"]
    victims = [each["metadata"]["name"] for each in pods if each["status"]["phase"] != "Succeeded"]
    assert [name for name in victims if not any(f"/{name} " in said for said in hit)] == [], hit
    assert ended.returncode == 0, ended.stdout + ended.stderr
    converges(site)
