"""What sends sandboxed pods to the right nodes: a label on each, and the RuntimeClass that they share."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.errors import NodeprovError, taking_json_apart
from nodeprov.hosts.base import Host, Output, Place
from nodeprov.inventory import Settings
from nodeprov.kubernetes import runtime_class
from nodeprov.kubernetes.kubectl import Get, Kubectl, kubectl, understood
from nodeprov.kubernetes.runtime_class import RuntimeClass, declared_fields
from nodeprov.node.receipts import History
from nodeprov.node.state import ClusterState, taint_of
from nodeprov.plan.goal import Goal, Resource, constant
from nodeprov.states import LabelState, State


@dataclass(frozen=True, slots=True)
class NodeLabel(Resource):
    """One label of a node."""

    kubectl: Kubectl
    node: str
    label: str
    place: ClassVar[Place] = Place.CLUSTER
    answers: ClassVar[bool] = True

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
        self.written(host, None, state)

    def written(self, host: Host, _before: State | None, state: LabelState | None) -> LabelState | None:
        """Give it a state, and return the state that the cluster has answered with."""
        wanted = f"{self.label}-" if state is None else f"{self.label}={state.value}"
        said = json.dumps({"metadata": {"labels": {} if state is None else {self.label: state.value}}}).encode()
        arguments = ("label", "node", self.node, wanted, "--overwrite", "-o", "json")
        text = self.kubectl.run(host, *arguments, doing=f"cannot label {self.node}", when_well=said)
        # Of a label that is not there to be taken away kubectl says so before the JSON (pkg/cmd/label).
        _, start, rest = text.partition("{")
        return _label_of(understood(start + rest, host, doing=f"node {self.node}"), self.label)


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
        return _label_of(node, self.label)


def _label_of(node: Mapping[str, Any], label: str) -> LabelState | None:
    with taking_json_apart():
        value = node["metadata"].get("labels", {}).get(label)
    return None if value is None else LabelState(value)


@dataclass(frozen=True, slots=True)
class NodeTaint(Resource):
    """The taints of one key of a node; the state is their values and effects."""

    kubectl: Kubectl
    node: str
    taint: str
    place: ClassVar[Place] = Place.CLUSTER
    answers: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Its node and its own key."""
        return f"taint:{self.node}:{self.taint}"

    @property
    def title(self) -> str:
        """The taint and its node."""
        return f"taint {self.taint} on node {self.node}"

    @property
    def query(self) -> _TaintQuery:
        """The question that reads its state."""
        return _TaintQuery(Get(self.kubectl, "node", self.node), self.taint)

    def write(self, host: Host, state: LabelState | None) -> None:
        """Give it a state."""
        wanted = [f"{self.taint}={each}" for each in state.value.split(",")] if state else [f"{self.taint}-"]
        arguments = ("taint", "node", self.node, *wanted, *(["--overwrite"] if state else []))
        self.kubectl.run(host, *arguments, doing=f"cannot taint {self.node}")


@dataclass(frozen=True, slots=True)
class _TaintQuery:
    get: Get
    taint: str

    @property
    def script(self) -> str:
        return self.get.script

    def parse(self, output: Output) -> LabelState | None:
        found = taint_of(self.get.parse(output), self.taint)
        return LabelState(found) if found else None


def label_of(settings: Settings, node: str, key: str = "") -> NodeLabel:
    """Name a label of a node, by default the one that the settings want."""
    return NodeLabel(kubectl(settings.cluster), node, key or settings.label.key)


def cluster_goals(settings: Settings, node: str) -> tuple[Goal, ...]:
    """Want the label, then the RuntimeClass: no pod is sent to a node that cannot run it; and no startup taint."""
    label = Goal(label_of(settings, node), constant(LabelState(settings.label.value)))
    key = settings.cluster.startup_taint
    taint = NodeTaint(kubectl(settings.cluster), node, key) if key else None
    return (
        label,
        runtime_class.goal(settings, node),
        *([Goal(taint, constant(None), "it is proven")] if taint else []),
    )


def cluster_states(cluster: ClusterState, goals: Iterable[Goal]) -> dict[str, State | None]:
    """Find the states that goals in the cluster start from in what is known of it already."""
    states: dict[str, State | None] = {}
    for resource in (goal.resource for goal in goals):
        if isinstance(resource, NodeLabel):
            value = cluster.labels.get(resource.label)
            states[resource.key] = None if value is None else LabelState(value)
        elif isinstance(resource, NodeTaint):
            taint = cluster.taint(resource.taint)
            states[resource.key] = LabelState(taint) if taint else None
        elif isinstance(resource, RuntimeClass):
            found = cluster.runtime_class
            states[resource.key] = None if found is None else declared_fields(found)
    return states


def removal_goals(
    settings: Settings,
    node: str,
    cluster: ClusterState,
    history: History,
    leaving: Collection[str],
) -> tuple[Goal, ...]:
    """Want the label gone, then the RuntimeClass, unless other nodes than those that are `leaving` need it.

    A label that was there before nodeprov first set it gets its value back; one that another handler on the node
    has too stays.
    """
    label = label_of(settings, node)
    # Also one that was there before nodeprov was: it would send pods to a node that cannot run them any more.
    without = Goal(label, history.given_back(label.key))
    return without, *runtime_class.removals(settings, node, cluster, history.before_us, leaving)
