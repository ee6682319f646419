"""What sends sandboxed pods to the right nodes: a label on each, and the RuntimeClass that they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Output, Place
from nodeprov.inventory import RuntimeClassSettings, Settings
from nodeprov.kubernetes.cluster import ClusterFacts, Get, Kubectl, kubectl
from nodeprov.kubernetes.quantities import canonical
from nodeprov.plan.plan import Goal, constant
from nodeprov.states import LabelState, ObjectState, State

MANAGED_BY = {"app.kubernetes.io/managed-by": "nodeprov"}


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """One label of a node."""

    kubectl: Kubectl
    node: str
    label: str
    place: ClassVar[Place] = Place.CLUSTER
    collected: ClassVar[bool] = False
    shared: ClassVar[bool] = False
    swapped: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """Name it by node and label."""
        return f"label:{self.node}:{self.label}"

    @property
    def query(self) -> _LabelQuery:
        """Ask for the state."""
        return _LabelQuery(Get(self.kubectl, "node", self.node), self.label)

    def write(self, host: Host, state: LabelState | None) -> None:
        """Make the state so."""
        wanted = f"{self.label}-" if state is None else f"{self.label}={state.value}"
        self.kubectl.run(
            host, "label", "node", self.node, wanted, "--overwrite", doing=f"cannot label {self.node}"
        )

    restore = write


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
        value = node["metadata"].get("labels", {}).get(self.label)
        return None if value is None else LabelState(value)


@dataclass(frozen=True, slots=True)
class RuntimeClass:
    """A RuntimeClass, of which nodeprov declares some fields; others' labels and annotations stay.

    Several nodes share it: it is not deleted while another node than `node` has the label `selector`.
    """

    kubectl: Kubectl
    name: str
    selector: str
    node: str
    place: ClassVar[Place] = Place.CLUSTER
    collected: ClassVar[bool] = False
    shared: ClassVar[bool] = True
    swapped: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """Name it."""
        return f"runtimeclass:{self.name}"

    @property
    def query(self) -> _RuntimeClassQuery:
        """Ask for the state."""
        return _RuntimeClassQuery(Get(self.kubectl, "runtimeclass", self.name))

    def write(self, host: Host, state: ObjectState | None) -> None:
        """Make the state so: others' fields stay, and an edit of theirs in between is a conflict, not lost.

        Not by `kubectl apply`: with --server-side it takes over what an earlier client-side apply of somebody
        else had set, and then removes it.
        """
        if state is None:
            self._delete(host)
            return
        live = host.ask([self.query.get])[0]
        verb, value = (
            ("create", _manifest(self.name, state)) if live is None else ("replace", _merged(live, state))
        )
        doing = f"cannot {verb} RuntimeClass {self.name}"
        self.kubectl.run(host, verb, "-f", "-", doing=doing, stdin=json.dumps(value).encode())

    restore = write

    def _delete(self, host: Host) -> None:
        doing = f"cannot delete RuntimeClass {self.name}"
        named = self.kubectl.run(host, "get", "nodes", "-l", self.selector, "-o", "name", doing=doing).split()
        if not set(named) - {f"node/{self.node}"}:
            self.kubectl.run(host, "delete", "runtimeclass", self.name, "--ignore-not-found", doing=doing)


@dataclass(frozen=True, slots=True)
class _RuntimeClassQuery:
    get: Get

    @property
    def script(self) -> str:
        return self.get.script

    def parse(self, output: Output) -> ObjectState | None:
        value = self.get.parse(output)
        return None if value is None else declared_fields(value)


def declared_fields(value: Mapping[str, Any]) -> ObjectState:
    """Pick the fields of a RuntimeClass that nodeprov declares."""
    labels = value["metadata"].get("labels", {})
    ours = {key: value for key, value in MANAGED_BY.items() if labels.get(key) == value}
    fields = {name: value[name] for name in ("handler", "overhead", "scheduling") if value.get(name)}
    if fixed := (value.get("overhead") or {}).get("podFixed"):
        fields["overhead"] = {"podFixed": {name: canonical(str(each)) for name, each in fixed.items()}}
    return ObjectState.of({**fields, "labels": ours})


def _manifest(name: str, state: ObjectState) -> dict[str, Any]:
    value = state.value
    labels = value.pop("labels")
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name, "labels": labels},
        **value,
    }


def _merged(live: Mapping[str, Any], state: ObjectState) -> dict[str, Any]:
    """Put the fields that we declare into the object as it is; its resourceVersion guards it."""
    wanted = state.value
    merged = {name: value for name, value in live.items() if name not in ("overhead", "scheduling")}
    merged |= {name: wanted[name] for name in ("overhead", "scheduling") if name in wanted}
    labels = {k: v for k, v in live["metadata"].get("labels", {}).items() if MANAGED_BY.get(k) != v}
    merged["metadata"] = {**live["metadata"], "labels": {**labels, **wanted["labels"]}}
    return merged


def wanted_runtime_class(settings: Settings) -> ObjectState:
    """Say what the RuntimeClass is to be: handler, overhead, and where its pods may land."""
    wanted: RuntimeClassSettings = settings.runtime_class
    selector = {settings.label.key: settings.label.value, **wanted.node_selector}
    scheduling: dict[str, Any] = {"nodeSelector": selector}
    if wanted.tolerations:
        # The API server leaves out what is empty, and what it leaves out would read back as a difference.
        scheduling["tolerations"] = [
            {name: value for name, value in toleration.items() if value != ""} for toleration in wanted.tolerations
        ]
    value: dict[str, Any] = {
        "handler": settings.runtime.handler,
        "scheduling": scheduling,
        "labels": MANAGED_BY,
    }
    if wanted.overhead:
        value["overhead"] = {"podFixed": {name: canonical(each) for name, each in wanted.overhead.items()}}
    return ObjectState.of(value)


def runtime_class(settings: Settings, node: str) -> RuntimeClass:
    """Name the RuntimeClass as one node's run sees it."""
    selector = f"{settings.label.key}={settings.label.value}"
    return RuntimeClass(kubectl(settings.cluster), settings.runtime_class.name, selector, node)


def cluster_goals(settings: Settings, node: str) -> tuple[Goal, ...]:
    """Want the label, then the RuntimeClass: no pod is sent to a node that cannot run it."""
    kube = kubectl(settings.cluster)
    return (
        Goal(NodeLabel(kube, node, settings.label.key), constant(LabelState(settings.label.value))),
        Goal(runtime_class(settings, node), _as_wanted(settings)),
    )


def _as_wanted(settings: Settings) -> Callable[[Any], ObjectState]:
    """Want our fields; our mark goes only onto what we make, for what bears it is deleted at the end."""
    wanted = wanted_runtime_class(settings)

    def target(current: ObjectState | None) -> ObjectState:
        return wanted if current is None else ObjectState.of({**wanted.value, "labels": current.value["labels"]})

    return target


def cluster_states(cluster: ClusterFacts, settings: Settings, node: str) -> dict[str, State | None]:
    """Read the states of the cluster's goals out of facts that are there already."""
    kube = kubectl(settings.cluster)
    labels = (cluster.node or {}).get("metadata", {}).get("labels", {})
    value = labels.get(settings.label.key)
    existing = cluster.runtime_class
    return {
        NodeLabel(kube, node, settings.label.key).key: None if value is None else LabelState(value),
        runtime_class(settings, node).key: (None if existing is None else declared_fields(existing)),
    }


def removal_goals(
    settings: Settings,
    node: str,
    cluster: ClusterFacts,
    before: Mapping[str, State | None],
    leaving: Collection[str],
) -> tuple[Goal, ...]:
    """Want the label gone, and the RuntimeClass too when this is the last node that it leads to.

    `leaving` are the nodes that this invocation has uninstalled before this one.

    A RuntimeClass that nodeprov made is deleted; one that was there before gets its fields back. One that leads
    elsewhere than to nodes with this label and this handler is other nodes', and stays.
    """
    kube = kubectl(settings.cluster)
    label = NodeLabel(kube, node, settings.label.key)
    # Also one that was there before nodeprov was: it would send pods to a node that cannot run them any more.
    goals = [Goal(label, constant(before.get(label.key)))]
    if not set(cluster.labelled) - {node, *leaving} and leads_here(cluster, settings):
        resource = runtime_class(settings, node)
        without = _without(before.get(resource.key))
        goals.append(Goal(resource, without, "no other node has the label"))
    return tuple(goals)


def leads_here(cluster: ClusterFacts, settings: Settings) -> bool:
    """Tell whether the RuntimeClass, if there is one, is that of this handler, for nodes with this label."""
    found = cluster.runtime_class
    return found is None or (
        found.get("handler") == settings.runtime.handler
        and _selector(found).get(settings.label.key) == settings.label.value
    )


def cuts_off(cluster: ClusterFacts, settings: Settings) -> bool:
    """Tell whether an install has the RuntimeClass lead to other nodes than those that it leads to now."""
    found = cluster.runtime_class
    wanted = _selector(wanted_runtime_class(settings).value)
    return found is not None and bool(_selector(found)) and _selector(found) != wanted


def _selector(value: Mapping[str, Any]) -> dict[str, str]:
    return (value.get("scheduling") or {}).get("nodeSelector") or {}


def _without(before: State | None) -> Callable[[Any], ObjectState | None]:
    def target(current: ObjectState | None) -> ObjectState | None:
        if current is None or current.value["labels"]:
            return None
        return before if isinstance(before, ObjectState) else current

    return target
