"""What is read of a cluster: once for all nodes of a run, and only the fields that are used."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nodeprov.errors import placed, taking_json_apart
from nodeprov.hosts.base import Output, Place, Query, Reader, Readers
from nodeprov.inventory import ClusterSettings, Node, Settings
from nodeprov.kubernetes.kubectl import insist_on_answer, kubectl
from nodeprov.templates import as_it_is

if TYPE_CHECKING:
    from nodeprov.node.state import ClusterState

FIELDS = (
    ".kind",
    ".metadata.name",
    ".metadata.uid",
    ".metadata.labels",
    ".spec.unschedulable",
    ".spec.taints",
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
class Context:
    """Which cluster kubectl means, in its own words; "" where it needs no configuration."""

    name: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True)
class ContextQuery:
    """Which cluster is it?"""

    settings: ClusterSettings

    @property
    def script(self) -> str:
        """Print kubectl's configuration as JSON, without its secrets."""
        return kubectl(self.settings).line("config", "view", "--minify", "-o", "json")

    def parse(self, output: Output) -> Context:
        """Understand what kubectl printed."""
        insist_on_answer(kubectl(self.settings), output)
        with taking_json_apart():
            config = json.loads(output.text.strip() or "null") or {}
            clusters = config.get("clusters") or [{"cluster": {}}]
            return Context(config.get("current-context", ""), clusters[0]["cluster"].get("server", ""))


@dataclass(frozen=True, slots=True)
class ClusterRead:
    """What is read of a cluster, once for all nodes of a run, by the names of its objects."""

    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def state(self, settings: Settings, node: str, context: Context) -> ClusterState:
        """Pick what a decision about one node needs; raise NodeprovError where its form is not Kubernetes'."""
        from nodeprov.node.state import (
            ClusterState,  # with all of a node, which a run with nothing to do has no use for
        )

        key, wanted = settings.label.key, settings.label.value
        with placed(node), taking_json_apart():
            labelled = [each for each in self.nodes.values() if _labels(each).get(key) == wanted]
            names = nodes_that_may_run(settings.runtime.handler, {"items": labelled})
            found, runtime_class = self._of(settings, node)
            for each in (found, runtime_class):
                _insist_on_form(each)
        return ClusterState(context.name, context.server, found, runtime_class, names)

    def digest(self, settings: Settings, node: str) -> str:
        """Tell apart what an install of one node would find; which other nodes have the label is no part of it."""
        return hashlib.sha256(json.dumps(self._of(settings, node), sort_keys=True).encode()).hexdigest()

    def _of(self, settings: Settings, node: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        return self.nodes.get(node), self.classes.get(settings.runtime_class.name)


def _labels(node: Mapping[str, Any]) -> Mapping[str, Any]:
    labels = node["metadata"].get("labels") or {}
    return labels if isinstance(labels, dict) else {}


@dataclass(frozen=True, slots=True)
class ClusterQuery:
    """What is there? All of a ClusterRead, by one process of kubectl.

    `classes` are those that are asked for by their names where a role allows no more: earlier ones of nodeprov's
    did not.
    """

    settings: ClusterSettings
    classes: tuple[str, ...]

    @property
    def script(self) -> str:
        """Print a line for each node and RuntimeClass."""
        kube = kubectl(self.settings)
        items, item = f"jsonpath={{range .items[*]}}{_ITEM}{{end}}", f"jsonpath={_ITEM}"
        calls = {
            "everything": [kube.line("get", "nodes,runtimeclasses.node.k8s.io", "-o", items)],
            "nodes": [kube.line("get", "nodes", "-o", items)],
            "by_name": [
                kube.line("get", "runtimeclass", each, "--ignore-not-found", "-o", item) for each in self.classes
            ],
        }
        functions = [f"{name}() {{\n{chr(10).join(lines)}\n}}\n" for name, lines in calls.items()]
        return "".join([*functions, as_it_is("cluster/cluster.sh.j2")])

    def parse(self, output: Output) -> ClusterRead:
        """Understand what kubectl printed."""
        insist_on_answer(kubectl(self.settings), output)
        with taking_json_apart():
            found = [_item(line) for line in output.text.split("\n") if line]
            if not any(kind == "Node" for kind, _, _ in found):
                raise ValueError("there is no node in it")
            return ClusterRead(
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
    for each in item.get("status", {}).get("conditions", ()):
        if isinstance(each, dict):
            each.pop("lastHeartbeatTime", None)  # else nothing would ever be as it was
    return kind, name, item


def nodes_that_may_run(handler: str, nodes: Any) -> tuple[str, ...]:
    """Name those of a list of nodes that do not report other handlers without this one.

    A node before Kubernetes 1.30, or with a containerd before 2.0, reports none. Two handlers may share a label.
    """
    from nodeprov.node.state import handlers

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
                raise ValueError(f"{'.'.join(path)} is not an object")


def read(reader: Reader, settings: Settings, node: str) -> ClusterState:
    """Read what is known of the cluster for one node, in one round trip."""
    queries = (ContextQuery(settings.cluster), ClusterQuery(settings.cluster, (settings.runtime_class.name,)))
    context, found = reader.ask(queries)
    state: ClusterState = found.state(settings, node, context)
    return state


class ClusterReads:
    """Reads the clusters of some nodes: each by its settings, once, when it is first needed or before.

    `hosts` says who is asked for a node. What one read raises, it raises for each of its nodes.
    """

    def __init__(self, nodes: Sequence[Node], hosts: Callable[[Node], Readers]) -> None:
        groups: dict[ClusterSettings, list[Node]] = {}
        for node in nodes:
            if node.settings.cluster.enabled:
                groups.setdefault(node.settings.cluster, []).append(node)
        self._reads = {settings: _Read(some, hosts) for settings, some in groups.items()}

    def begin(self, *, named: bool = True) -> None:
        """Begin to read, beside what else is done; what the clusters are called only if they are to be named."""
        for each in self._reads.values():
            threading.Thread(target=each.begin, args=(named,), daemon=True).start()

    def of(self, node: Node) -> ClusterState | None:
        """Wait for what is known of the cluster for one node; None if it has none."""
        if (read := self._reads.get(node.settings.cluster)) is None:
            return None
        return read.found().state(node.settings, node.name, read.context())

    def digest(self, node: Node) -> str:
        """Wait for what tells apart what an install of one node would find in the cluster; "" if it has none."""
        read = self._reads.get(node.settings.cluster)
        return "".join(read.found().digest(view.settings, node.name) for view in node.views) if read else ""


class _Read:
    """One read, whoever asks for it first."""

    def __init__(self, nodes: Sequence[Node], hosts: Callable[[Node], Readers]) -> None:
        self._nodes = nodes
        self._hosts = hosts
        self._lock = threading.Lock()
        self._found: ClusterRead | None = None
        self._context: Context | None = None
        self._error: Exception | None = None

    def begin(self, named: bool) -> None:  # noqa: FBT001  a thread's argument
        with self._lock, contextlib.suppress(Exception):  # kept: it is raised for whoever asks
            self._read(named=named)

    def found(self) -> ClusterRead:
        with self._lock:
            if self._found is None:
                self._read(named=True)
            assert self._found is not None
            return self._found

    def context(self) -> Context:
        with self._lock:
            if self._context is None:
                self._read(named=True)
            assert self._context is not None
            return self._context

    def _read(self, *, named: bool) -> None:
        """Read what is not known yet, in one round trip."""
        if self._error is not None:
            raise self._error
        settings = self._nodes[0].settings.cluster
        classes = tuple(sorted({node.settings.runtime_class.name for node in self._nodes}))
        queries: list[Query[Any]] = []
        if named and self._context is None:
            queries.append(ContextQuery(settings))
        if self._found is None:
            queries.append(ClusterQuery(settings, classes))
        reader = self._hosts(self._nodes[0])[Place.CLUSTER]
        try:
            for each in reader.ask(queries):
                if isinstance(each, Context):
                    self._context = each
                else:
                    self._found = each
        except Exception as error:
            self._error = error
            if not named:  # what is wrong with kubectl's configuration, `get` does not say: it asks localhost
                self._error = _first_error(lambda: reader.ask([ContextQuery(settings)])) or error
            raise self._error from None


def _first_error(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None
