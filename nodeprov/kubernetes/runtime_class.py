"""The RuntimeClass, which all nodes with the label share."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.errors import taking_json_apart
from nodeprov.hosts.base import Host, Output, Place
from nodeprov.inventory import RuntimeClassSettings, Settings
from nodeprov.kubernetes.cluster_read import nodes_that_may_run
from nodeprov.kubernetes.kubectl import Get, Kubectl, kubectl, understood
from nodeprov.kubernetes.quantities import canonical
from nodeprov.node.state import ClusterState
from nodeprov.plan.goal import Goal, Resource
from nodeprov.states import ObjectState, State

MANAGED_BY = {"app.kubernetes.io/managed-by": "nodeprov"}


@dataclass(frozen=True, slots=True)
class RuntimeClass(Resource):
    """A RuntimeClass, of which nodeprov declares some fields; others' labels and annotations stay.

    Several nodes share it: it is not deleted while another node than `node`, and those that are `leaving`, has the
    label `selector` and may run the `handler`.
    """

    kubectl: Kubectl
    name: str
    selector: str
    handler: str
    node: str
    leaving: tuple[str, ...] = ()
    place: ClassVar[Place] = Place.CLUSTER
    shared: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Its name in the cluster."""
        return f"runtimeclass:{self.name}"

    @property
    def title(self) -> str:
        """Its kind and its name."""
        return f"RuntimeClass {self.name}"

    @property
    def query(self) -> _RuntimeClassQuery:
        """The question that reads its state."""
        return _RuntimeClassQuery(Get(self.kubectl, "runtimeclass", self.name))

    def write(self, host: Host, state: ObjectState | None) -> None:
        """Give it a state: others' fields stay, and an edit of theirs in between is a conflict, not lost.

        Not by `kubectl apply`: with --server-side it takes over what an earlier client-side apply of somebody
        else had set, and then removes it.
        """
        if state is None:
            self._delete(host)
        else:
            self._put(host, host.ask([self.query.get])[0], state)

    def written(self, host: Host, before: State | None, state: ObjectState | None) -> State | None:
        """Give it a state, and return the state that the cluster has answered with."""
        if state is None:
            return super(RuntimeClass, self).written(host, before, state)
        # What is there by now all the same is no less a conflict than an edit.
        return self._put(host, None if before is None else host.ask([self.query.get])[0], state)

    def _put(self, host: Host, live: Mapping[str, Any] | None, state: ObjectState) -> ObjectState:
        verb, value = ("create", manifest(self.name, state)) if live is None else ("replace", _merged(live, state))
        doing, content = f"cannot {verb} RuntimeClass {self.name}", json.dumps(value).encode()
        call = (verb, "-f", "-", "-o", "json")
        text = self.kubectl.run(host, *call, doing=doing, stdin=content, when_well=content)
        with taking_json_apart():
            return declared_fields(understood(text, host, doing=f"RuntimeClass {self.name}"))

    def _delete(self, host: Host) -> None:
        doing = f"cannot delete RuntimeClass {self.name}"
        arguments = ("get", "nodes", "-l", self.selector, "-o", "json")
        nodes = self.kubectl.run(host, *arguments, doing=doing, when_well=b'{"items": []}')
        with taking_json_apart():
            others = {*nodes_that_may_run(self.handler, json.loads(nodes))} - {self.node, *self.leaving}
        if not others:
            self.kubectl.run(host, "delete", "runtimeclass", self.name, "--ignore-not-found", doing=doing)


@dataclass(frozen=True, slots=True)
class _RuntimeClassQuery:
    get: Get

    @property
    def script(self) -> str:
        return self.get.script

    def parse(self, output: Output) -> ObjectState | None:
        value = self.get.parse(output)
        with taking_json_apart():
            return None if value is None else declared_fields(value)


def declared_fields(value: Mapping[str, Any]) -> ObjectState:
    """Pick the fields of a RuntimeClass that nodeprov declares."""
    labels = value["metadata"].get("labels", {})
    ours = {key: value for key, value in MANAGED_BY.items() if labels.get(key) == value}
    fields = {name: value[name] for name in ("handler", "overhead", "scheduling") if value.get(name)}
    if fixed := (value.get("overhead") or {}).get("podFixed"):
        fields["overhead"] = {"podFixed": {name: canonical(str(each)) for name, each in fixed.items()}}
    return ObjectState.of({**fields, "labels": ours})


def manifest(name: str, state: ObjectState) -> dict[str, Any]:
    """Write one that is not there yet."""
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
    """Return what the RuntimeClass is to be: handler, overhead, and where its pods may land."""
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


def of(settings: Settings, node: str, leaving: Collection[str] = ()) -> RuntimeClass:
    """Name the RuntimeClass as one node's run sees it."""
    selector = f"{settings.label.key}={settings.label.value}"
    kube, handler = kubectl(settings.cluster), settings.runtime.handler
    return RuntimeClass(kube, settings.runtime_class.name, selector, handler, node, tuple(leaving))


def goal(settings: Settings, node: str) -> Goal:
    """Want our fields; our mark goes only onto what we make, for what bears it is deleted at the end."""
    wanted = wanted_runtime_class(settings)

    def target(current: ObjectState | None) -> ObjectState:
        return wanted if current is None else ObjectState.of({**wanted.value, "labels": current.value["labels"]})

    return Goal(of(settings, node), target)


def removals(
    settings: Settings,
    node: str,
    cluster: ClusterState,
    before: Mapping[str, State | None],
    leaving: Collection[str],
) -> tuple[Goal, ...]:
    """Want the RuntimeClass gone when this is the last node that it leads to.

    `leaving` are the nodes that this invocation has uninstalled before this one.

    A RuntimeClass that nodeprov made is deleted; one that was there before gets its fields back. One that leads
    elsewhere than to nodes with this label and this handler is other nodes', and stays.
    """
    if set(cluster.labelled) - {node, *leaving} or not leads_here(cluster, settings):
        return ()
    resource = of(settings, node, leaving)

    def target(current: ObjectState | None) -> ObjectState | None:
        if current is None or current.value["labels"]:
            return None
        former = before.get(resource.key)
        return former if isinstance(former, ObjectState) else current

    return (Goal(resource, target, "no other node has the label"),)


def leads_here(cluster: ClusterState, settings: Settings) -> bool:
    """Tell whether the RuntimeClass, if there is one, is that of this handler, for nodes with this label."""
    found = cluster.runtime_class
    return found is None or (
        found.get("handler") == settings.runtime.handler
        and _selector(found).get(settings.label.key) == settings.label.value
    )


def cuts_off(cluster: ClusterState, settings: Settings) -> bool:
    """Tell whether an install has the RuntimeClass lead to other nodes than those that it leads to now."""
    found = cluster.runtime_class
    wanted = _selector(wanted_runtime_class(settings).value)
    return found is not None and bool(_selector(found)) and _selector(found) != wanted


def _selector(value: Mapping[str, Any]) -> dict[str, str]:
    return (value.get("scheduling") or {}).get("nodeSelector") or {}
