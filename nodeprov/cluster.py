"""The cluster's side: the node's label and the RuntimeClass, by kubectl on some host."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.errors import NodeprovError, Problem
from nodeprov.facts import Facts
from nodeprov.hosts.base import Host, Output, Reader, check
from nodeprov.inventory import ClusterSettings, RuntimeClassSettings, Settings
from nodeprov.plan import Goal, Place, constant
from nodeprov.quantities import canonical
from nodeprov.states import LabelState, ObjectState, State
from nodeprov.templates import render

KUBECTL_TIMEOUT_SECONDS = 60.0
MANAGED_BY = {"app.kubernetes.io/managed-by": "nodeprov"}


@dataclass(frozen=True, slots=True)
class Kubectl:
    """How kubectl is called."""

    argv: tuple[str, ...]

    def line(self, *arguments: str) -> str:
        """Write a call as a shell command."""
        return shlex.join([*self.argv, *arguments])

    def run(self, host: Host, *arguments: str, doing: str, stdin: bytes = b"") -> str:
        """Call it and return what it printed; raise CommandFailed if it fails."""
        output = host.run(self.line(*arguments), stdin=stdin, timeout_seconds=KUBECTL_TIMEOUT_SECONDS)
        return check(output, doing, where=host.name, hint=self.line("get", "nodes")).text


def kubectl(settings: ClusterSettings) -> Kubectl:
    """Say how kubectl is called with these settings."""
    kubeconfig = ("--kubeconfig", settings.kubeconfig) if settings.kubeconfig else ()
    context = ("--context", settings.context) if settings.context else ()
    return Kubectl((settings.kubectl, *kubeconfig, *context))


@dataclass(frozen=True, slots=True)
class Get:
    """Ask for one object of the cluster; None when it does not exist."""

    kubectl: Kubectl
    kind: str
    name: str

    @property
    def script(self) -> str:
        """Print the object as JSON, or nothing."""
        return self.kubectl.line("get", self.kind, self.name, "-o", "json", "--ignore-not-found")

    def parse(self, output: Output) -> dict[str, Any] | None:
        """Understand what kubectl printed."""
        return _parsed(self.kubectl, output)


def _parsed(kubectl: Kubectl, output: Output) -> dict[str, Any] | None:
    if output.returncode != 0:
        raise NodeprovError(
            f"kubectl cannot read the cluster: {output.said}",
            f"try: {kubectl.line('get', 'nodes')}; or set [cluster] host, kubeconfig and context",
        )
    text = output.text.strip()
    if not text:
        return None
    value: dict[str, Any] = json.loads(text)
    return value


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """One label of a node."""

    kubectl: Kubectl
    node: str
    label: str
    place: ClassVar[Place] = Place.CLUSTER
    collected: ClassVar[bool] = False
    shared: ClassVar[bool] = False

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
            raise NodeprovError(f"the cluster has no node {self.get.name}", self.get.kubectl.line("get", "nodes"))
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
    ours = {key: labels[key] for key in MANAGED_BY if key in labels}
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
    labels = {k: v for k, v in live["metadata"].get("labels", {}).items() if k not in MANAGED_BY}
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


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a decision needs of the cluster, for one node of it."""

    context: str
    server: str
    node: Mapping[str, Any] | None
    runtime_class: Mapping[str, Any] | None
    labelled: tuple[str, ...]

    @property
    def handlers(self) -> tuple[str, ...] | None:
        """The runtime handlers that the node's kubelet reports; None before Kubernetes 1.30."""
        reported = (self.node or {}).get("status", {}).get("runtimeHandlers")
        return None if reported is None else tuple(each.get("name", "") for each in reported)


@dataclass(frozen=True, slots=True)
class ClusterQuery:
    """All of ClusterFacts in one command."""

    settings: Settings
    node: str

    @property
    def script(self) -> str:
        """Print four JSON documents, one a line."""
        kube = kubectl(self.settings.cluster)
        label = self.settings.label
        calls = (
            ("config", "view", "--minify", "-o", "json"),
            ("get", "node", self.node, "-o", "json", "--ignore-not-found"),
            ("get", "runtimeclass", self.settings.runtime_class.name, "-o", "json", "--ignore-not-found"),
            ("get", "nodes", "-l", f"{label.key}={label.value}", "-o", "json"),
        )
        return render("kubectl.sh.j2", calls=[kube.line(*call) for call in calls])

    def parse(self, output: Output) -> ClusterFacts:
        """Understand what kubectl printed."""
        if output.returncode != 0:
            _parsed(kubectl(self.settings.cluster), output)
        config, node, runtime_class, labelled = (
            json.loads(line or "null") for line in output.text.split("\n")[:4]
        )
        names = tuple(item["metadata"]["name"] for item in labelled["items"])
        clusters = config.get("clusters") or [{"cluster": {}}]
        server = clusters[0]["cluster"].get("server", "")
        return ClusterFacts(config.get("current-context", ""), server, node, runtime_class, names)


def read(reader: Reader, settings: Settings, node: str) -> ClusterFacts:
    """Read what is known of the cluster for one node, in one round trip."""
    facts: ClusterFacts = reader.ask([ClusterQuery(settings, node)])[0]
    return facts


def check_identity(cluster: ClusterFacts, facts: Facts, settings: Settings) -> tuple[Problem, ...]:
    """Find out whether the cluster's node is the machine that was reached."""
    kube = kubectl(settings.cluster)
    if cluster.node is None:
        return (Problem(f"the cluster {cluster.server} has no node {facts.node}", kube.line("get", "nodes")),)
    machine_id = cluster.node.get("status", {}).get("nodeInfo", {}).get("machineID", "")
    if machine_id and facts.machine_id and machine_id != facts.machine_id:
        return (
            Problem(
                f"the node {facts.node} of {cluster.server} is another machine (machine-id {machine_id}) than "
                f"the one reached by SSH ({facts.machine_id})",
                "look at the node's address and at [cluster] context in the inventory",
            ),
        )
    return ()


def check_cluster(cluster: ClusterFacts, facts: Facts, settings: Settings) -> tuple[Problem, ...]:
    """Find the reasons in the cluster not to begin an installation."""
    found = list(check_identity(cluster, facts, settings))
    kube = kubectl(settings.cluster)
    existing = cluster.runtime_class
    if existing is not None and existing.get("handler") != settings.runtime.handler:
        name = settings.runtime_class.name
        found.append(
            Problem(
                f"RuntimeClass {name} exists with the handler {existing.get('handler')!r}, which cannot be "
                f"changed in place; pods that name it would land elsewhere",
                f"set [runtime_class] name to another one, or: {kube.line('delete', 'runtimeclass', name)}",
            )
        )
    return tuple(found)


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

    A RuntimeClass that nodeprov made is deleted; one that was there before gets its fields back.
    """
    kube = kubectl(settings.cluster)
    label = NodeLabel(kube, node, settings.label.key)
    goals = [Goal(label, constant(before.get(label.key)))]
    if not set(cluster.labelled) - {node, *leaving}:
        resource = runtime_class(settings, node)
        goals.append(Goal(resource, _without(before.get(resource.key)), "no other node has the label"))
    return tuple(goals)


def _without(before: State | None) -> Callable[[Any], ObjectState | None]:
    def target(current: ObjectState | None) -> ObjectState | None:
        if current is None or current.value["labels"]:
            return None
        return before if isinstance(before, ObjectState) else current

    return target
