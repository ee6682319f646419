"""Pods on one node: one that proves the runtime, and those that must leave before it goes."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from nodeprov import cluster
from nodeprov.cluster import Kubectl, kubectl
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Output, Reader
from nodeprov.inventory import Settings
from nodeprov.templates import render

POLL_SECONDS = 0.3
NAMESPACE = "default"
POD_MEMORY = "128Mi"


class Prover:
    """Proofs that need the cluster."""

    def __init__(
        self, host: Host, settings: Settings, node: str, rest: Callable[[float], None] = time.sleep
    ) -> None:
        self._host = host
        self._rest = rest
        self._settings = settings
        self._node = node
        self._kubectl = kubectl(settings.cluster)

    def handler(self) -> str:
        """Wait until the node's kubelet reports the handler (Node.status.runtimeHandlers, Kubernetes 1.30)."""
        wanted = self._settings.runtime.handler
        deadline = time.monotonic() + self._settings.proof.timeout_seconds
        while True:
            handlers = cluster.read(self._host, self._settings, self._node).handlers
            if handlers is None:
                return "not asked: this Kubernetes does not report runtime handlers"
            said = ", ".join(filter(None, handlers))
            if wanted in handlers:
                return f"the node reports the handlers {said}"
            if time.monotonic() > deadline:
                raise NodeprovError(
                    f"the node does not report the handler {wanted}, only {said}",
                    "journalctl -u kubelet on the node",
                    where=self._node,
                )
            self._rest(POLL_SECONDS)

    def pod(self) -> str:
        """Run a pod of the RuntimeClass on the node; return the line in which gVisor greets."""
        with self.running_pod(("sh", "-c", "dmesg; cat /proc/version"), until="Succeeded") as pod:
            log = pod.log()
        greeting = next((line.strip() for line in log.splitlines() if "Starting gVisor" in line), "")
        if not greeting:
            raise NodeprovError(
                f"a pod of RuntimeClass {self._settings.runtime_class.name} ran outside gVisor: {log[-200:]!r}",
                f"nodeprov verify {self._node}",
                where=self._node,
            )
        return greeting

    @contextmanager
    def running_pod(self, command: Sequence[str], *, until: str = "Running") -> Iterator[Pod]:
        """Run a pod on the node, wait until it has a phase, and delete it at the end whatever happens.

        Raises NodeprovError, with the pod's events, when it does not get there in time.
        """
        pod = Pod(self._host, self._kubectl, f"nodeprov-proof-{self._node}-{secrets.token_hex(3)}")
        manifest = self.manifest(pod.name, command, node=self._node)
        self._run("create", "-f", "-", doing="cannot create a pod", stdin=manifest.encode())
        try:
            self._wait(pod, until)
            yield pod
        finally:
            # A pod that stays ends by itself; it must not hide what was seen.
            with suppress(NodeprovError):
                arguments = ("delete", "pod", pod.name, "-n", NAMESPACE, "--wait=false", "--ignore-not-found")
                self._run(*arguments, doing="cannot delete the pod")

    def admitted(self) -> dict[str, Any]:
        """Return what the cluster would make of a pod of the RuntimeClass that asks for no node."""
        manifest = self.manifest("nodeprov-proof", ("true",), node=None)
        arguments = ("create", "--dry-run=server", "-o", "json", "-f", "-")
        text = self._run(*arguments, doing="the cluster refuses a pod", stdin=manifest.encode())
        value: dict[str, Any] = json.loads(text)
        return value

    def manifest(self, name: str, command: Sequence[str], *, node: str | None) -> str:
        """Write a pod of the RuntimeClass."""
        return render(
            "pod.json.j2",
            name=name,
            namespace=NAMESPACE,
            runtime_class=self._settings.runtime_class.name,
            node=node,
            image=self._settings.proof.image,
            command=list(command),
            memory=POD_MEMORY,
        )

    def _wait(self, pod: Pod, until: str) -> None:
        deadline = time.monotonic() + self._settings.proof.timeout_seconds
        while (phase := pod.phase()) != until:
            ended = phase in ("Succeeded", "Failed")
            if ended or time.monotonic() > deadline:
                raise NodeprovError(
                    f"a pod of RuntimeClass {self._settings.runtime_class.name} is {phase}, not {until}: "
                    f"{pod.events()}",
                    f"is the image {self._settings.proof.image} on the node, or can it be pulled?",
                    where=self._node,
                )
            self._rest(POLL_SECONDS)

    def _run(self, *arguments: str, doing: str, stdin: bytes = b"") -> str:
        return self._kubectl.run(self._host, *arguments, doing=doing, stdin=stdin)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of our own."""

    host: Host
    kubectl: Kubectl
    name: str

    @property
    def uid(self) -> str:
        """Its UID, which its cgroup's name contains."""
        return str(self._get()["metadata"]["uid"])

    def phase(self) -> str:
        """Tell its phase."""
        return str(self._get().get("status", {}).get("phase", "Pending"))

    def log(self) -> str:
        """Return what it has printed."""
        return self._call("logs", self.name)

    def execute(self, *command: str) -> str:
        """Run a command in it."""
        return self._call("exec", self.name, "--", *command)

    def events(self) -> str:
        """Return the last two events about it."""
        selector = f"involvedObject.name={self.name}"
        path = r"jsonpath={range .items[*]}{.message}{'\n'}{end}"
        return "; ".join(self._call("get", "events", "--field-selector", selector, "-o", path).splitlines()[-2:])

    def _get(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._call("get", "pod", self.name, "-o", "json"))
        return value

    def _call(self, *arguments: str) -> str:
        doing = f"kubectl {arguments[0]} fails for pod {self.name}"
        return self.kubectl.run(self.host, "-n", NAMESPACE, *arguments, doing=doing)


class SandboxedPodsQuery:
    """Which pods on a node run with our handler?"""

    def __init__(self, settings: Settings, node: str) -> None:
        self._settings = settings
        self._node = node

    @property
    def script(self) -> str:
        """Print the RuntimeClasses and the node's pods as JSON, one a line."""
        kube = kubectl(self._settings.cluster)
        on_node = f"spec.nodeName={self._node}"
        calls = (
            ("get", "runtimeclass", "-o", "json"),
            ("get", "pods", "-A", "--field-selector", on_node, "-o", "json"),
        )
        return render("kubectl.sh.j2", calls=[kube.line(*call) for call in calls])

    def parse(self, output: Output) -> tuple[str, ...]:
        """Understand what kubectl printed: namespace/name."""
        if output.returncode != 0:
            raise NodeprovError(f"kubectl cannot read the pods: {output.said}", "", where=self._node)
        classes, pods = (json.loads(line)["items"] for line in output.text.split("\n")[:2])
        handler = self._settings.runtime.handler
        names = {each["metadata"]["name"] for each in classes if each["handler"] == handler}
        return tuple(
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            for pod in pods
            if pod["spec"].get("runtimeClassName") in names and not _is_of_daemon_set(pod)
        )


def _is_of_daemon_set(pod: dict[str, Any]) -> bool:
    """Tell whether eviction would be in vain: a DaemonSet's pods tolerate a cordon and come back."""
    return any(owner["kind"] == "DaemonSet" for owner in pod["metadata"].get("ownerReferences", ()))


def sandboxed_pods(reader: Reader, settings: Settings, node: str) -> tuple[str, ...]:
    """Name the pods on a node that run with our handler, as namespace/name."""
    pods: tuple[str, ...] = reader.ask([SandboxedPodsQuery(settings, node)])[0]
    return pods


class Drainer:
    """Empties a node of its sandboxed pods; others' pods stay."""

    def __init__(
        self, host: Host, settings: Settings, node: str, rest: Callable[[float], None] = time.sleep
    ) -> None:
        self._host = host
        self._rest = rest
        self._settings = settings
        self._node = node
        self._kubectl = kubectl(settings.cluster)
        self._cordoned = False

    def drain(self, pods: tuple[str, ...]) -> None:
        """Cordon the node, evict the pods and wait until they are gone.

        Eviction respects PodDisruptionBudgets; raises NodeprovError if one forbids it for too long.
        """
        spec = json.loads(self._call("get", "node", self._node, "-o", "json"))["spec"]
        if not spec.get("unschedulable"):
            self._call("cordon", self._node)
            self._cordoned = True
        deadline = time.monotonic() + self._settings.proof.timeout_seconds
        left = pods
        while left:
            for pod in left:
                self._evict(*pod.split("/"))
            left = sandboxed_pods(self._host, self._settings, self._node)
            if left and time.monotonic() > deadline:
                raise NodeprovError(
                    f"these pods do not leave: {', '.join(left)}",
                    "look at their PodDisruptionBudgets and finalizers: kubectl get pdb -A",
                    where=self._node,
                )
            self._rest(POLL_SECONDS)

    def uncordon(self) -> None:
        """Uncordon the node if it was us who cordoned it."""
        if self._cordoned:
            self._call("uncordon", self._node)

    def _evict(self, namespace: str, name: str) -> None:
        eviction: dict[str, Any] = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        line = self._kubectl.line("create", "--raw", path, "-f", "-")
        output = self._host.run(line, stdin=json.dumps(eviction).encode())
        # Gone already, or forbidden by a PodDisruptionBudget now: both are seen by asking again.
        if output.returncode and not re.search("NotFound|TooManyRequests|disruption budget", output.said):
            raise NodeprovError(
                f"cannot evict {namespace}/{name}: {output.said}",
                "may this kubeconfig create pods/eviction?",
                where=self._node,
            )

    def _call(self, *arguments: str) -> str:
        return self._kubectl.run(self._host, *arguments, doing=f"cannot {arguments[0]} {self._node}")
