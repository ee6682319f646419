"""What is asked of a cluster, by which kubectl, and the reasons not to begin."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.inventory import ProofSettings
from nodeprov.kubernetes.cluster import check_cluster
from nodeprov.node.state import ClusterState
from tests.support.clusters import (
    MACHINE_ID,
    WANTED,
    class_json,
    facts,
    node,
    ours,
)
from tests.support.samples import good_facts, settings
from tests.support.samples import node as node_of

NODE = node_of(WANTED)


def test_a_good_cluster_has_no_problem() -> None:
    assert check_cluster(facts(), NODE, good_facts().machine) == ()
    assert check_cluster(facts(existing=ours()), NODE, good_facts().machine) == ()
    assert check_cluster(facts(node(machine_id="")), NODE, good_facts().machine) == ()
    assert check_cluster(facts(), NODE, good_facts(machine_id="").machine) == ()


def test_a_node_that_the_cluster_does_not_have_is_a_problem() -> None:
    cluster = ClusterState("production", "https://10.0.0.10:6443", None, None, ())
    (problem,) = check_cluster(cluster, NODE, good_facts().machine)
    assert problem.message == "the cluster https://10.0.0.10:6443 has no node worker1"
    assert problem.hint == "kubectl get nodes"


def test_another_machine_behind_the_nodes_name_is_a_problem() -> None:
    (problem,) = check_cluster(facts(node(machine_id="ffff")), NODE, good_facts().machine)
    assert "is another machine (machine-id ffff)" in problem.message
    assert MACHINE_ID in problem.message


def test_a_runtime_class_of_another_handler_is_a_problem() -> None:
    (problem,) = check_cluster(facts(existing=class_json("kata")), NODE, good_facts().machine)
    assert "RuntimeClass gvisor exists with the handler 'kata'" in problem.message
    assert "kubectl delete runtimeclass gvisor" in problem.hint


def test_problems_of_a_cluster_are_told_at_once() -> None:
    assert len(check_cluster(facts(node(machine_id="f"), class_json("kata")), NODE, good_facts().machine)) == 2


def reporting(*, said: str = "of that", **conditions: Any) -> ClusterState:
    """A cluster whose node reports these conditions."""
    given = [
        {"type": kind, "status": status, "reason": "Because", "message": said}
        for kind, status in conditions.items()
    ]
    return facts(found=node() | {"status": {"conditions": given}})


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (reporting(Ready="False"), "the node is not ready for the cluster: Because: of that"),
        (reporting(Ready="Unknown"), "the node is not ready for the cluster: Because: of that"),
        (reporting(Ready="False", said="[container runtime is down, PLEG is not healthy]"), "not ready"),
        (reporting(Ready="True", DiskPressure="True"), "the node is under DiskPressure for the cluster"),
        (reporting(Ready="True", PIDPressure="True"), "the node is under PIDPressure for the cluster"),
    ],
)
def test_a_node_whose_kubelet_takes_no_pod_is_a_problem(cluster: ClusterState, expected: str) -> None:
    (problem,) = check_cluster(cluster, NODE, good_facts().machine)
    assert expected in problem.message
    assert "kubectl describe node worker1" in problem.hint
    without = node_of(settings(proof=ProofSettings(pod=False)))
    assert check_cluster(cluster, without, good_facts().machine) == ()


@pytest.mark.parametrize(
    "cluster",
    [
        reporting(Ready="True", DiskPressure="False", MemoryPressure="True"),
        reporting(),
        reporting(Ready="False", said="container runtime is down"),  # which serves again, as the node itself shows
        facts(found=node() | {"status": {"conditions": None}}),
        facts(found=node() | {"status": {"conditions": ["x", {"type": 3}]}}),
    ],
)
def test_a_node_that_takes_pods_or_says_nothing_is_no_problem(cluster: ClusterState) -> None:
    assert check_cluster(cluster, NODE, good_facts().machine) == ()


@pytest.mark.parametrize("pod", [True, False])
def test_a_node_without_kubelet_is_a_problem_whatever_the_cluster_says(*, pod: bool) -> None:
    wanted = node_of(settings(proof=ProofSettings(pod=pod)))
    (problem,) = check_cluster(reporting(Ready="Unknown"), wanted, good_facts(kubelets=()).machine)
    assert "kubelet does not run on this node" in problem.message
    assert "systemctl status kubelet.service" in problem.hint
