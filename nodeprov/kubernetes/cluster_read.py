"""What is read of a cluster: once for all nodes of a run, and only the fields that are used."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodeprov.errors import placed, taking_json_apart
from nodeprov.hosts.base import Output, Place, Reader, Readers
from nodeprov.inventory import ClusterSettings, Node, Settings
from nodeprov.kubernetes.cluster import insist_on_answer, kubectl
from nodeprov.node.state import ClusterState, handlers
from nodeprov.templates import render

FIELDS = (
    ".kind",
    ".metadata.name",
    ".metadata.uid",
    ".metadata.labels",
    ".spec.unschedulable",
    ".status.nodeInfo",
    ".status.conditions",
    ".status.runtimeHandlers",
    ".handler",
    ".overhead",
    ".scheduling",
)
"""What is read of each node and each RuntimeClass; kubectl prints objects and lists in these as JSON.

What a kubelet writes of its node is read as such: a plain text might have line breaks in it.
"""
_ITEM = '{"\\t"}'.join(f"{{{field}}}" for field in FIELDS) + '{"\\n"}'


@dataclass(frozen=True, slots=True)
class ClusterRead:
    """What is read of a cluster, once for all nodes of a run, by the names of its objects."""

    context: str = ""
    server: str = ""
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def state(self, settings: Settings, node: str) -> ClusterState:
        """Pick what a decision about one node needs; raise NodeprovError where its form is not Kubernetes'."""
        key, wanted = settings.label.key, settings.label.value
        with placed(node), taking_json_apart():
            labelled = [each for each in self.nodes.values() if _labels(each).get(key) == wanted]
            names = nodes_that_may_run(settings.runtime.handler, {"items": labelled})
            found, runtime_class = self.nodes.get(node), self.classes.get(settings.runtime_class.name)
            for each in (found, runtime_class):
                _insist_on_form(each)
        return ClusterState(self.context, self.server, found, runtime_class, names)


def _labels(node: Mapping[str, Any]) -> Mapping[str, Any]:
    labels = node["metadata"].get("labels") or {}
    return labels if isinstance(labels, dict) else {}


@dataclass(frozen=True, slots=True)
class ClusterQuery:
    """All of a ClusterRead in one command, and in one process of kubectl besides the one that names the cluster.

    `classes` are those that are asked for by their names where a role allows no more: earlier ones of nodeprov's
    did not. Where the cluster is not `named`, its context and server stay unknown, which saves that process.
    """

    settings: ClusterSettings
    classes: tuple[str, ...]
    named: bool = True

    @property
    def script(self) -> str:
        """Print the configuration as a line of JSON, then a line for each node and RuntimeClass."""
        kube = kubectl(self.settings)
        items, item = f"jsonpath={{range .items[*]}}{_ITEM}{{end}}", f"jsonpath={_ITEM}"
        by_name = [
            kube.line("get", "runtimeclass", each, "--ignore-not-found", "-o", item) for each in self.classes
        ]
        return render(
            "cluster/cluster.sh.j2",
            config=kube.line("config", "view", "--minify", "-o", "json") if self.named else "",
            everything=kube.line("get", "nodes,runtimeclasses.node.k8s.io", "-o", items),
            nodes=kube.line("get", "nodes", "-o", items),
            by_name=by_name,
        )

    def parse(self, output: Output) -> ClusterRead:
        """Understand what kubectl printed."""
        insist_on_answer(kubectl(self.settings), output)
        with taking_json_apart():
            first, _, rest = output.text.partition("\n")
            config = json.loads(first or "null") or {}
            clusters = config.get("clusters") or [{"cluster": {}}]
            found = [_item(line) for line in rest.split("\n") if line]
            if not any(kind == "Node" for kind, _, _ in found):
                raise ValueError("there is no node in it")
            return ClusterRead(
                config.get("current-context", ""),
                clusters[0]["cluster"].get("server", ""),
                {name: each for kind, name, each in found if kind == "Node"},
                {name: each for kind, name, each in found if kind == "RuntimeClass"},
            )


def _item(line: str) -> tuple[str, str, dict[str, Any]]:
    """Put an object together of the fields that a line has; return its kind, its name and it."""
    kind, name, *values = line.split("\t")
    uid, *others = values
    metadata = {"name": name, "uid": uid}
    item: dict[str, Any] = {"metadata": metadata}
    for path, text in zip(FIELDS[3:], others, strict=True):
        *above, last = path[1:].split(".")
        inner = item
        for each in above if text else ():
            inner = inner.setdefault(each, {})
        if text:
            inner[last] = text if path == ".handler" else json.loads(text)
    return kind, name, item


def nodes_that_may_run(handler: str, nodes: Any) -> tuple[str, ...]:
    """Name those of a list of nodes that do not report other handlers without this one.

    A node before Kubernetes 1.30, or with a containerd before 2.0, reports none. Two handlers may share a label.
    """
    reported = {node["metadata"]["name"]: handlers(node) for node in nodes["items"]}
    return tuple(name for name, known in reported.items() if not known or handler in known)


def _insist_on_form(value: Any) -> None:
    """Raise ValueError unless what is looked at later is of the form that Kubernetes gives it."""
    if value is None:
        return
    for path in (
        ("metadata", "labels"),
        ("metadata", "annotations"),
        ("spec",),
        ("status", "nodeInfo"),
        ("overhead", "podFixed"),
    ):
        inner = value
        for name in path:
            inner = inner.get(name) or {}
            if not isinstance(inner, dict):
                raise ValueError(f"{'.'.join(path)} is no object")


def read(reader: Reader, settings: Settings, node: str) -> ClusterState:
    """Read what is known of the cluster for one node, in one round trip."""
    found: ClusterRead = reader.ask([ClusterQuery(settings.cluster, (settings.runtime_class.name,))])[0]
    return found.state(settings, node)


class ClusterReads:
    """Reads the clusters of some nodes: each by its settings, once, when it is first needed or before.

    `hosts` says who is asked for a node. What one read raises, it raises for each of its nodes.
    """

    def __init__(self, nodes: Sequence[Node], hosts: Callable[[Node], Readers]) -> None:
        self._hosts = hosts
        groups: dict[ClusterSettings, list[Node]] = {}
        for node in nodes:
            if node.settings.cluster.enabled:
                groups.setdefault(node.settings.cluster, []).append(node)
        self._reads = {settings: _Read(some, hosts) for settings, some in groups.items()}

    def begin(self) -> None:
        """Begin to read, beside what else is done."""
        for each in self._reads.values():
            threading.Thread(target=each.settle, daemon=True).start()

    def of(self, node: Node) -> ClusterState | None:
        """Wait for what is known of the cluster for one node; None if it has none."""
        read = self._reads.get(node.settings.cluster)
        return read.result().state(node.settings, node.name) if read else None


class _Read:
    """One read, whoever asks for it first."""

    def __init__(self, nodes: Sequence[Node], hosts: Callable[[Node], Readers]) -> None:
        self._nodes = nodes
        self._hosts = hosts
        self._lock = threading.Lock()
        self._found: ClusterRead | Exception | None = None

    def settle(self) -> None:
        """Read, unless that was done."""
        with self._lock:
            if self._found is None:
                try:
                    self._found = self._ask()
                except Exception as error:  # it is raised for whoever asks
                    self._found = error

    def result(self) -> ClusterRead:
        self.settle()
        if isinstance(self._found, Exception):
            raise self._found
        assert self._found is not None
        return self._found

    def _ask(self) -> ClusterRead:
        classes = tuple(sorted({node.settings.runtime_class.name for node in self._nodes}))
        reader = self._hosts(self._nodes[0])[Place.CLUSTER]
        found: ClusterRead = reader.ask([ClusterQuery(self._nodes[0].settings.cluster, classes)])[0]
        return found
