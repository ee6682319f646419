"""The cluster as kubectl on some host sees it, and the reasons in it not to begin."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, Problem
from nodeprov.facts import Facts
from nodeprov.hosts.base import Host, Output, Reader, check
from nodeprov.inventory import ClusterSettings, Settings
from nodeprov.templates import render

KUBECTL_TIMEOUT_SECONDS = 60.0


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
