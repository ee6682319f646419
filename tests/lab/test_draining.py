"""Nodes that are drained on the real cluster: pods that keep serving, budgets, what blocks, waits, and cordons."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.lab.machines import IMAGE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov, refused, started, variant
from tests.lab.serving import ASKED, BOTH, cordoned, forbid_evictions, pods_of
from tests.support.sampling import by_turns

pytestmark = by_turns


def draining(folder: Path, **settings: str) -> Path:
    """Write an inventory with which nodes are drained before their restart."""
    return variant(folder, **{f"rollout__{key}": value for key, value in {"drain": "true", **settings}.items()})


class TestServing:
    def test_pods_keep_serving_while_one_node_after_the_other_is_drained(
        self, served: Machine, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        agents = {name: pods[0]["metadata"]["uid"] for name, pods in pods_of(kubectl, "agent").items()}
        before = {pod["metadata"]["uid"] for pods in pods_of(kubectl, "served").values() for pod in pods}
        answers, master = [], Machine("master")
        with started("install", *BOTH, "--yes", inventory=draining(tmp_path)) as running:
            while running.process.poll() is None:
                answers.append(int(master.run(ASKED)))
            ended = running.end()
        master.host.close()
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.count("evicting pods") == 2
        assert len(answers) > 10
        assert min(answers) >= 1
        after = {pod["metadata"]["uid"] for pods in pods_of(kubectl, "served").values() for pod in pods}
        assert not before & after, "a pod was not evicted from a node that was drained"
        assert {name: pods[0]["metadata"]["uid"] for name, pods in pods_of(kubectl, "agent").items()} == agents
        assert cordoned(kubectl) == []

    def test_a_budget_that_allows_nothing_is_named_and_the_node_is_as_before(
        self, served: Machine, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        node = self.budget_of_all(kubectl)
        pods = [pod["metadata"]["name"] for pod in pods_of(kubectl, "served")[node]]
        machine = served if node == WORKER else Machine(node)
        before = machine.listing()
        ended = nodeprov("install", node, "--yes", inventory=draining(tmp_path, drain_timeout_seconds="5"))
        refused(ended, f"{pods[0]} (its PodDisruptionBudget forbids it)")
        assert machine.listing() == before
        assert {pod["metadata"]["name"] for pod in pods_of(kubectl, "served")[node]} == {*pods}
        assert cordoned(kubectl) == []

    def budget_of_all(self, kubectl: Kubectl) -> str:
        """Have the budget forbid every eviction; return a node that has such pods."""
        forbid_evictions(kubectl)
        return next(name for name, pods in pods_of(kubectl, "served").items() if pods)

    def test_an_interrupted_drain_leaves_no_cordon_nor_does_one_that_was_killed_after_the_next_run(
        self, served: Machine, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        node = self.budget_of_all(kubectl)
        machine = served if node == WORKER else Machine(node)
        before, inventory = machine.listing(), draining(tmp_path)
        with started("install", node, "--yes", inventory=inventory) as running:
            running.wait_for("evicting pods")
            self.until_cordoned(kubectl, node)
            running.process.send_signal(signal.SIGINT)
            ended = running.end()
        assert ended.returncode == 1
        assert machine.listing() == before
        assert cordoned(kubectl) == []
        with started("install", node, "--yes", inventory=inventory) as running:
            running.wait_for("evicting pods")
            self.until_cordoned(kubectl, node)
            running.process.kill()
            running.end()
        assert cordoned(kubectl) == [node]
        kubectl("patch", "pdb", "served", "--type=merge", "--patch", '{"spec": {"minAvailable": 1}}')
        installed(node, inventory=inventory)
        assert cordoned(kubectl) == []

    def until_cordoned(self, kubectl: Kubectl, node: str) -> None:
        with eventually() as more:
            while cordoned(kubectl) != [node]:
                assert more()


def test_a_node_that_was_cordoned_before_stays_cordoned(worker: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("cordon", WORKER)
    installed(WORKER, inventory=draining(tmp_path))
    assert kubectl.json("get", "node", WORKER)["spec"].get("unschedulable")
    ended = nodeprov("uninstall", WORKER, "--yes", inventory=draining(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert "evicting pods" in ended.stderr
    assert kubectl.json("get", "node", WORKER)["spec"].get("unschedulable")


def test_what_kubectl_drain_would_not_evict_is_named_as_it_names_it(
    untouched: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    """The plain pod of the fixture has no controller; another has one, and an emptyDir."""
    kubectl.pod("stored", WORKER, sandboxed=False, volumes=[{"name": "cache", "emptyDir": {}}])
    theirs = kubectl.attempt("drain", WORKER, "--ignore-daemonsets", "--dry-run=server").said
    assert "declare no controller" in theirs
    assert "local storage" in theirs
    ended = nodeprov("install", WORKER, "--yes", inventory=draining(tmp_path))
    names = [f"{kubectl.json('get', 'pod', name)['metadata']['namespace']}/{name}" for name in ("plain", "stored")]
    assert all(name in theirs for name in names)
    refused(
        ended,
        f"no controller makes these pods again: {', '.join(names)}",
        f"these pods lose what is in their emptyDir volumes: {names[1]}",
        "[rollout] drain_force = true and [rollout] drain_emptydir_data = true",
    )


class TestWaiting:
    """Pods that are waited for until they end."""

    def job(self, kubectl: Kubectl, seconds: int) -> str:
        """Start a job on this process's node; return its pod's name."""
        value = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "long"},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "metadata": {"labels": {"app": "batch"}},
                    "spec": {
                        "nodeName": WORKER,
                        "restartPolicy": "Never",
                        "automountServiceAccountToken": False,
                        "terminationGracePeriodSeconds": 0,
                        "containers": [
                            {
                                "name": "main",
                                "image": IMAGE,
                                "imagePullPolicy": "Never",
                                "command": ["sh", "-c", f"sleep {seconds}"],
                            }
                        ],
                    },
                },
            },
        }
        kubectl("create", "-f", "-", stdin=json.dumps(value))
        kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=batch", "--timeout=60s")
        (pod,) = kubectl.json("get", "pods", "-l", "app=batch")["items"]
        return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"

    def test_the_node_is_cordoned_until_they_have_ended_and_none_is_evicted(
        self, worker: Machine, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        pod = self.job(kubectl, 20)
        inventory = draining(tmp_path, wait_for='"app=batch"', wait_timeout_seconds="120")
        plan = nodeprov("plan", WORKER, inventory=inventory).stdout
        assert f"! cordon the node and wait until its pods of app=batch have ended: {pod}" in plan
        events = tmp_path / "events.jsonl"
        with started("install", WORKER, "--yes", "--events", str(events), inventory=inventory) as running:
            running.wait_for(f"{WORKER}: waiting for the end of 1 pod: {pod}")
            process = worker.pid()
            assert kubectl.json("get", "node", WORKER)["spec"].get("unschedulable")
            ended = running.end()
        assert ended.returncode == 0, ended.stderr
        assert worker.pid() != process
        said = [json.loads(line) for line in events.read_text().splitlines()]
        assert [each["said"] for each in said if each.get("phase") == "waiting"] == [f"1 pod: {pod}"]
        status = kubectl.json("get", "job", "long")["status"]
        assert (status.get("succeeded"), status.get("failed", 0)) == (1, 0)
        assert not kubectl.json("get", "node", WORKER)["spec"].get("unschedulable")

    def test_one_that_takes_too_long_is_named_and_the_node_is_as_before_or_it_is_evicted(
        self, worker: Machine, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        pod, before = self.job(kubectl, 100000), worker.listing()
        waits = {"wait_for": '"app in (batch)"', "wait_timeout_seconds": "3", "drain": "false"}
        ended = nodeprov("install", WORKER, "--yes", inventory=draining(tmp_path, **waits))
        refused(ended, f"these pods have not ended within 3 s: {pod}")
        assert worker.listing() == before
        assert not kubectl.json("get", "node", WORKER)["spec"].get("unschedulable")
        assert kubectl.json("get", "job", "long")["status"].get("failed", 0) == 0
        installed(WORKER, inventory=draining(tmp_path, **waits, wait_then='"evict"'))
        assert kubectl.attempt("get", "pod", pod.partition("/")[2]).returncode
