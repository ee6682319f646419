"""The label of a node that sends sandboxed pods to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from nodeprov.errors import NodeprovError, taking_json_apart
from nodeprov.hosts.base import Host, Output, Place
from nodeprov.inventory import Settings
from nodeprov.kubernetes.cluster import Get, Kubectl, kubectl
from nodeprov.node.cluster_state import ClusterState
from nodeprov.plan.goal import Goal, Resource, constant
from nodeprov.states import LabelState, State


@dataclass(frozen=True, slots=True)
class NodeLabel(Resource):
    """One label of a node."""

    kubectl: Kubectl
    node: str
    label: str
    place: ClassVar[Place] = Place.CLUSTER

    @property
    def key(self) -> str:
        """Its node and its own key."""
        return f"label:{self.node}:{self.label}"

    @property
    def title(self) -> str:
        """The label and its node."""
        return f"label {self.label} on node {self.node}"

    @property
    def query(self) -> _LabelQuery:
        """The question that reads its state."""
        return _LabelQuery(Get(self.kubectl, "node", self.node), self.label)

    def write(self, host: Host, state: LabelState | None) -> None:
        """Give it a state."""
        wanted = f"{self.label}-" if state is None else f"{self.label}={state.value}"
        self.kubectl.run(
            host, "label", "node", self.node, wanted, "--overwrite", doing=f"cannot label {self.node}"
        )


@dataclass(frozen=True, slots=True)
class _LabelQuery:
    get: Get
    label: str

    @property
    def script(self) -> str:
        return self.get.script

    def parse(self, output: Output) -> LabelState | None:
        node = self.get.parse(output)
        if node is None:
            raise NodeprovError(f"the cluster has no node {self.get.name}", self.get.kubectl.typed("get", "nodes"))
        with taking_json_apart():
            value = node["metadata"].get("labels", {}).get(self.label)
        return None if value is None else LabelState(value)


def of(settings: Settings, node: str, key: str = "") -> NodeLabel:
    """Name a label of a node, by default the one that the settings want."""
    return NodeLabel(kubectl(settings.cluster), node, key or settings.label.key)


def goal(settings: Settings, node: str) -> Goal:
    """Want the label."""
    return Goal(of(settings, node), constant(LabelState(settings.label.value)))


def states(cluster: ClusterState, labels: Iterable[NodeLabel]) -> dict[str, State | None]:
    """Find the states of labels in what is known of the cluster already."""
    found = cluster.labels
    return {each.key: LabelState(found[each.label]) if each.label in found else None for each in labels}


def removal(settings: Settings, node: str, before: Mapping[str, State | None]) -> Goal:
    """Want the label gone, or its value back from before nodeprov first set it."""
    label = of(settings, node)
    # Also one that was there before nodeprov was: it would send pods to a node that cannot run them any more.
    return Goal(label, constant(before.get(label.key)))
