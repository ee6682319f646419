"""What sends sandboxed pods to the right nodes: a label on each, and the RuntimeClass that they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from nodeprov.inventory import Settings
from nodeprov.kubernetes import node_label, runtime_class
from nodeprov.kubernetes.node_label import NodeLabel
from nodeprov.kubernetes.runtime_class import RuntimeClass
from nodeprov.node.cluster_state import ClusterState
from nodeprov.plan.goal import Goal
from nodeprov.states import State


def cluster_goals(settings: Settings, node: str) -> tuple[Goal, ...]:
    """Want the label, then the RuntimeClass: no pod is sent to a node that cannot run it."""
    return node_label.goal(settings, node), runtime_class.goal(settings, node)


def cluster_states(cluster: ClusterState, goals: Iterable[Goal]) -> dict[str, State | None]:
    """Find the states that goals in the cluster start from in what is known of it already."""
    resources = [goal.resource for goal in goals]
    labels = [each for each in resources if isinstance(each, NodeLabel)]
    classes = [each for each in resources if isinstance(each, RuntimeClass)]
    return node_label.states(cluster, labels) | runtime_class.states(cluster, classes)


def removal_goals(
    settings: Settings,
    node: str,
    cluster: ClusterState,
    before: Mapping[str, State | None],
    leaving: Collection[str],
) -> tuple[Goal, ...]:
    """Want the label gone, then the RuntimeClass, unless other nodes than those that are `leaving` need it."""
    label = node_label.removal(settings, node, before)
    return label, *runtime_class.removals(settings, node, cluster, before, leaving)
