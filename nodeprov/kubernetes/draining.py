"""Pods that must leave a node before its runtime goes."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeprov.errors import NodeprovError, taking_json_apart
from nodeprov.hosts.base import Host, Output, Reader
from nodeprov.inventory import Settings, syntax
from nodeprov.kubernetes.cluster import forbidden_hint, kubectl
from nodeprov.templates import render

POLL_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class SandboxedPodsQuery:
    """Which pods on a node run with our handler?"""

    settings: Settings
    node: str

    @property
    def script(self) -> str:
        """Print the RuntimeClasses and the node's pods as JSON, one a line."""
        kube = kubectl(self.settings.cluster)
        on_node = f"spec.nodeName={self.node}"
        calls = (
            ("get", "runtimeclass", "-o", "json"),
            ("get", "pods", "-A", "--field-selector", on_node, "-o", "json"),
        )
        return render("cluster/kubectl.sh.j2", calls=[kube.line(*call) for call in calls])

    def parse(self, output: Output) -> tuple[str, ...]:
        """Understand what kubectl printed: namespace/name; raise NodeprovError if a DaemonSet has one of them."""
        if output.returncode != 0:
            raise NodeprovError(
                f"kubectl cannot read the pods: {output.said}", forbidden_hint(output.said), where=self.node
            )
        handler = self.settings.runtime.handler
        with taking_json_apart():
            classes, pods = (json.loads(line)["items"] for line in output.text.split("\n")[:2])
            names = {each["metadata"]["name"] for each in classes if each["handler"] == handler}
            found = {_named(pod["metadata"]): pod for pod in pods if pod["spec"].get("runtimeClassName") in names}
            owners = {name: pod["metadata"].get("ownerReferences", ()) for name, pod in found.items()}
            # They tolerate a cordon, so eviction would be in vain.
            coming_back = [name for name, some in owners.items() if "DaemonSet" in [each["kind"] for each in some]]
        if coming_back:
            raise NodeprovError(
                f"a DaemonSet's pods cannot be drained, for they come back: {', '.join(coming_back)}",
                "delete the DaemonSet, or have it without runtimeClassName or on other nodes, until this is done",
                where=self.node,
            )
        return tuple(found)


def _named(metadata: Mapping[str, Any]) -> str:
    """Write namespace/name; these become a part of a path, and of what is shown."""
    for name in (metadata["namespace"], metadata["name"]):
        if not syntax.DNS_SUBDOMAIN.accepts(name):
            raise ValueError(f"{name!r} is no name of a pod")
    return f"{metadata['namespace']}/{metadata['name']}"


def sandboxed_pods(reader: Reader, settings: Settings, node: str) -> tuple[str, ...]:
    """Name the pods on a node that run with our handler, as namespace/name."""
    pods: tuple[str, ...] = reader.ask([SandboxedPodsQuery(settings, node)])[0]
    return pods


@dataclass(slots=True)
class Drainer:
    """Empties a node of its sandboxed pods; others' pods stay. `cordoned` means that a run before us did so."""

    host: Host
    settings: Settings
    node: str
    sleep: Callable[[float], None] = time.sleep
    cordoned: bool = field(default=False, kw_only=True)

    def drain(self, pods: tuple[str, ...]) -> None:
        """Cordon the node, evict the pods and wait until they are gone.

        Eviction respects PodDisruptionBudgets; raises NodeprovError if one forbids it for too long.
        """
        node = kubectl(self.settings.cluster).get_json(self.host, "node", self.node)
        if not node.get("spec", {}).get("unschedulable"):
            self.cordoned = True  # also where the answer does not reach us
            self._call("cordon", self.node)
        deadline = time.monotonic() + self.settings.proof.timeout_seconds
        left = pods
        while left:
            for pod in left:
                self._evict(*pod.split("/"))
            left = sandboxed_pods(self.host, self.settings, self.node)
            if left and time.monotonic() > deadline:
                raise NodeprovError(
                    f"these pods do not leave: {', '.join(left)}",
                    "look at their PodDisruptionBudgets and finalizers: kubectl get pdb -A",
                    where=self.node,
                )
            self.sleep(POLL_SECONDS)

    def uncordon(self) -> None:
        """Uncordon the node if it was us who cordoned it."""
        if self.cordoned:
            self._call("uncordon", self.node)

    def _evict(self, namespace: str, name: str) -> None:
        eviction: dict[str, Any] = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        call = kubectl(self.settings.cluster).call("create", "--raw", path, "-f", "-")
        output = self.host.run(call, stdin=json.dumps(eviction).encode())
        # Gone already, or forbidden by a PodDisruptionBudget now: both are seen by asking again.
        if output.returncode and not re.search("NotFound|TooManyRequests|disruption budget", output.said):
            raise NodeprovError(
                f"cannot evict {namespace}/{name}: {output.said}",
                forbidden_hint(output.said) or "kubectl get pdb -A",
                where=self.node,
            )

    def _call(self, *arguments: str) -> str:
        return kubectl(self.settings.cluster).run(
            self.host, *arguments, doing=f"cannot {arguments[0]} {self.node}"
        )
