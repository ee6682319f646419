"""The label on a node."""

from __future__ import annotations

from typing import Any

from nodeprov.hosts.local import LocalHost
from nodeprov.kubernetes.cluster import kubectl
from nodeprov.kubernetes.node_label import NodeLabel
from nodeprov.kubernetes.scheduling import cluster_goals, cluster_states
from nodeprov.plan.goal import decide
from nodeprov.states import LabelState
from tests.support.clusters import KEY, WANTED, facts, node, ours, stub


def test_another_value_of_the_label_is_replaced() -> None:
    cluster = facts(node({KEY: "false"}), ours())
    goals = cluster_goals(WANTED, "worker1")
    (change,) = decide(goals, cluster_states(cluster, goals))
    assert (change.before, change.after) == (LabelState("false"), LabelState("true"))


def test_a_label_is_written_and_taken_away_by_kubectl(tmp_path: Any) -> None:
    kube = kubectl(stub(tmp_path, f'echo "$*" >> {tmp_path}/calls').cluster)
    label = NodeLabel(kube, "worker1", KEY)
    label.write(LocalHost(), LabelState("true"))
    label.write(LocalHost(), None)
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"label node worker1 {KEY}=true --overwrite",
        f"label node worker1 {KEY}- --overwrite",
    ]
