"""`nodeprov try` on a real cluster: a workload's pod twice, compared, and nothing left of it."""

from __future__ import annotations

import json
import signal
from typing import Any

from tests.lab.machines import ADMIN, NAMESPACE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import Ended, installed, nodeprov, refused, started, variant
from tests.lab.trials import deployment, shadows
from tests.support.sampling import by_turns

NEEDS_HOST_USERS = {"hostUsers": False}


def tried(ended: Ended) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ended.stdout)["trial"]
    return value


@by_turns
def test_a_workload_is_tried_in_the_sandbox_and_beside_it(
    worker: Machine, kubectl: Kubectl, tmp_path: Any
) -> None:
    installed(WORKER)
    inventory = variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')
    where = ("-n", NAMESPACE, "--json")
    for each in (deployment("web"), deployment("users", **NEEDS_HOST_USERS)):
        kubectl("apply", "-f", "-", stdin=json.dumps(each))
    try:
        ended = nodeprov("try", "deployment/web", *where, inventory=inventory)
        trial = tried(ended)
        assert ended.returncode == 3, ended.stdout  # it runs, and its limits are otherwise inside
        assert trial["node"] == WORKER
        assert trial["sandbox"]["ready"]
        assert trial["runc"]["ready"]
        assert trial["sandbox"]["memory_bytes"] > 4 * trial["runc"]["memory_bytes"]
        assert trial["left_out"] == ["web: TOKEN of the secret nowhere"]
        assert "swapoff" in trial["calls"]
        assert "limits-inside" in [each["id"] for each in trial["met"]]
        assert shadows(kubectl) == []

        ended = nodeprov("try", f"{NAMESPACE}/deploy/users", "--json", "--seconds", "20", inventory=inventory)
        trial = tried(ended)
        assert (ended.returncode, trial["sandbox"]["ready"]) == (1, False)
        assert "user-namespace" in [each["id"] for each in trial["explanations"]]

        with started("try", "deployment/web", *where, inventory=inventory) as running:
            with eventually(30) as more:
                while len(shadows(kubectl)) < 2:
                    assert more()
            running.process.send_signal(signal.SIGINT)
            interrupted = running.end()
        assert interrupted.returncode == 1
        assert "Traceback" not in interrupted.stderr
        assert shadows(kubectl) == []

        refused(nodeprov("try", "deployment/gone", *where, inventory=inventory), "gone")
        refused(nodeprov("try", "service/web", *where, inventory=inventory), "kind that makes pods", exit_code=2)
    finally:
        kubectl("delete", "deployment", "web", "users", "--ignore-not-found")


@by_turns
def test_what_was_seen_is_shown_also_where_the_pods_stay(worker: Machine, kubectl: Kubectl, tmp_path: Any) -> None:
    installed(WORKER)
    inventory = variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment("web")))
    try:
        with started("try", "deployment/web", "-n", NAMESPACE, "--json", inventory=inventory) as running:
            with eventually(30) as more:
                while len(shadows(kubectl)) < 2:
                    assert more()
            for pod in shadows(kubectl):
                kubectl("patch", pod, "--type=merge", "--patch", '{"metadata": {"finalizers": ["tests.io/held"]}}')
            ended = running.end(200)
        value = json.loads(ended.stdout)
        assert (ended.returncode, value["trial"]["sandbox"]["ready"]) == (1, True)
        (error,) = value["errors"]
        assert f"pods of the trial are still in the namespace {NAMESPACE}" in error["message"]
        assert error["message"] in ended.stderr
        assert "hint: remove them: kubectl" in ended.stderr
    finally:
        for pod in shadows(kubectl):
            kubectl("patch", pod, "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')
        kubectl("delete", "deployment", "web", "--ignore-not-found")
    assert shadows(kubectl) == []
