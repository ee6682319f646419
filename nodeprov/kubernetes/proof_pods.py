"""Pods of our own on a node: what proves that its runtime serves."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Output, check
from nodeprov.inventory import Settings
from nodeprov.kubernetes.admission import mutations, pod_manifest
from nodeprov.kubernetes.images import PROBE, ProofImage
from nodeprov.kubernetes.kubectl import Get, Kubectl, is_forbidden, kubectl, understood
from nodeprov.kubernetes.reach import is_out_of_reach, until_in_reach
from nodeprov.node.state import handlers
from nodeprov.workloads.explain import hint

POLL_SECONDS = 0.3
_CREATED = b'{"metadata": {"uid": "X"}}'
SLICE_SECONDS = 4
"""How long kubectl may wait before we look whether the wait makes sense, or somebody wants us to end."""
ENDED = ("Succeeded", "Failed")
OURS = "app.kubernetes.io/managed-by=nodeprov,app.kubernetes.io/component=proof"
NO_CAUSES = ("MissingClusterDNS",)
"""Reasons of warnings that keep no pod from running (kubernetes: pkg/kubelet/network/dns/dns.go)."""
NO_EVENTS = "the cluster reports nothing about it; does kubelet run on the node?"


class Prover:
    """Proofs that need the cluster."""

    def __init__(
        self, host: Host, settings: Settings, node: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._host = host
        self._sleep = sleep
        self._settings = settings
        self._node = node
        self._kubectl = kubectl(settings.cluster)
        self._namespace = settings.proof.namespace

    def handler(self) -> str:
        """Wait until the node's kubelet reports the handler (Node.status.runtimeHandlers, Kubernetes 1.30)."""
        wanted, node = self._settings.runtime.handler, Get(self._kubectl, "node", self._node)
        deadline = time.monotonic() + self._settings.proof.timeout_seconds
        while True:
            reported = handlers(self._host.ask([node])[0])
            if reported is None:
                return "not asked: this Kubernetes does not report runtime handlers"
            said = ", ".join(filter(None, reported))
            if wanted in reported:
                return f"the node reports the handlers {said}"
            if time.monotonic() > deadline:
                raise NodeprovError(
                    f"the node does not report the handler {wanted}, only {said}",
                    "journalctl -u kubelet on the node",
                    where=self._node,
                )
            self._sleep(POLL_SECONDS)

    def pod(self, image: ProofImage, kernel_line: Callable[[str], str]) -> str:
        """Run a pod of the RuntimeClass on the node; return the line by which its kernel is known as a sandbox's.

        `kernel_line` finds that line in the pod's log, or "" where there is none.
        """
        with self.running_pod(image, "kernel", until="Succeeded") as pod:
            log, changed = pod.log(), pod.said_of_changes
        said = kernel_line(log)
        if not said:
            raise NodeprovError(
                f"a pod of RuntimeClass {self._settings.runtime_class.name} ran outside a sandbox: {log[-200:]!r}"
                f"{changed}",
                f"nodeprov verify {self._node}",
                where=self._node,
            )
        return said

    @contextmanager
    def running_pod(self, image: ProofImage, *arguments: str, until: str = "Running") -> Iterator[Pod]:
        """Run the probe in a pod on the node until it has a phase, and delete it at the end whatever happens.

        Raises NodeprovError, with the pod's events, when it does not get there in time.
        """
        if until not in ENDED:
            self.sweep()
        name = f"nodeprov-proof-{secrets.token_hex(5)}"
        manifest = pod_manifest(self._settings, image, arguments, name=name, node=self._node)
        has_ended = False
        try:
            made = understood(self._create(name, manifest.encode()), self._host, doing="the pod that was created")
            metadata = made.get("metadata")
            uid = str(metadata.get("uid", "")) if isinstance(metadata, dict) else ""
            changed = tuple(each.said for each in mutations(json.loads(manifest), made))
            pod = Pod(self._host, self._kubectl, self._namespace, name, uid, self._sleep, changed)
            self._wait(pod, until, image)
            has_ended = until in ENDED
            yield pod
        finally:
            # A pod that stays ends on its own; it must not hide what was seen.
            with suppress(NodeprovError):
                if has_ended:
                    self.sweep()  # it, and those of runs that were killed
                else:
                    self._delete(name)

    def _delete(self, name: str) -> None:
        arguments = ("delete", "pod", name, "-n", self._namespace, "--wait=false", "--ignore-not-found")
        self._kubectl.run(self._host, *arguments, doing="cannot delete the pod")

    def _create(self, name: str, manifest: bytes) -> str:
        """Create a pod and return it as it was made, also when the answer to a first try was lost on its way."""
        try:
            arguments = ("create", "-f", "-", "-o", "json")
            return self._run(*arguments, doing="cannot create a pod", stdin=manifest, when_well=_CREATED)
        except NodeprovError as error:
            if f'"{name}" already exists' not in error.message:
                raise
            return self._run("get", "pod", name, "-n", self._namespace, "-o", "json", doing="cannot get the pod")

    def admitted(self, image: ProofImage) -> dict[str, Any]:
        """Return what the cluster would make of a pod of the RuntimeClass that asks for no node."""
        manifest = pod_manifest(self._settings, image, ("kernel",), node=None)
        arguments = ("create", "--dry-run=server", "-o", "json", "-f", "-")
        text = self._run(*arguments, doing="the cluster refuses a pod", stdin=manifest.encode())
        return understood(text, self._host, doing="the cluster's answer to a pod")

    def sweep(self) -> None:
        """Remove the pods of a run that was killed, once they have ended."""
        ended = f"spec.nodeName={self._node},status.phase!=Running,status.phase!=Pending"
        which = ("-n", self._namespace, "-l", OURS, "--field-selector", ended)
        self._run("delete", "pods", *which, "--wait=false", doing="cannot remove ended pods of nodeprov")

    def _wait(self, pod: Pod, until: str, image: ProofImage) -> None:
        deadline = time.monotonic() + self._settings.proof.timeout_seconds
        while not pod.comes_to(until, SLICE_SECONDS):
            phase = self._phase(pod, deadline)
            if phase != until and (phase in ENDED or time.monotonic() > deadline):
                trouble = pod.trouble()
                raise NodeprovError(
                    f"a pod of RuntimeClass {self._settings.runtime_class.name} is {phase}, not {until}: "
                    f"{trouble}{pod.said_of_changes}",
                    hint(trouble, image.hint, node=self._node),
                    where=self._node,
                )
            self._sleep(0)

    def _phase(self, pod: Pod, deadline: float) -> str:
        """Tell a pod's phase; an API server that is out of reach for a moment is no reason to give up a node."""
        try:
            return pod.phase()
        except NodeprovError as error:
            if time.monotonic() > deadline or not is_out_of_reach(error.message):
                raise
            return "not known"

    def _run(self, *arguments: str, doing: str, stdin: bytes = b"", when_well: bytes = b"") -> str:
        """Call kubectl, again while the API server is out of reach; what was asked for may have been done."""
        deadline = time.monotonic() + self._settings.proof.timeout_seconds

        def call() -> str:
            return self._kubectl.run(self._host, *arguments, doing=doing, stdin=stdin, when_well=when_well)

        return until_in_reach(call, deadline, lambda: self._sleep(POLL_SECONDS))


def _last_seen(event: Mapping[str, Any]) -> str:
    """Tell when an event was seen last, in a form that can be compared; the newer API has another field for it."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of our own."""

    host: Host
    kubectl: Kubectl
    namespace: str
    name: str
    uid: str
    """Its cgroup's name contains it."""
    sleep: Callable[[float], None] = time.sleep
    changed: tuple[str, ...] = ()
    """What the cluster has made another in it than was sent."""

    @property
    def said_of_changes(self) -> str:
        """What a message about a pod that did not do as expected ends with."""
        return f"; on its way the cluster changed it: {'; '.join(self.changed)}" if self.changed else ""

    def get(self) -> dict[str, Any]:
        """Return it as the cluster has it."""
        text = self._call("get", "pod", self.name, "-o", "json", when_well=b'{"spec": {}}')
        return understood(text, self.host, doing=f"pod {self.name}")

    def phase(self) -> str:
        """Tell its phase."""
        return str(self.get().get("status", {}).get("phase", "Pending"))

    def comes_to(self, phase: str, seconds: float) -> bool:
        """Wait, not longer than so many seconds, until it has a phase; tell whether it has."""
        return self._reaches(f"jsonpath={{.status.phase}}={phase}", seconds)

    def becomes_ready(self, seconds: float) -> bool:
        """Wait until kubelet, from the node, has reached the port on which it listens; tell whether it has."""
        return self._reaches("condition=Ready", seconds)

    def _reaches(self, condition: str, seconds: float) -> bool:
        until = ("wait", f"pod/{self.name}", f"--for={condition}", f"--timeout={SLICE_SECONDS}s")
        call = self.kubectl.call("-n", self.namespace, *until)
        deadline = time.monotonic() + seconds
        while (output := self.host.run(call)).returncode != 0:
            # To try again is in vain; but a server that has just begun does not know yet who may do what.
            if is_forbidden(output.said) and not is_out_of_reach(output.said):
                self.kubectl.insist(output, f"cannot wait for pod {self.name}", where=self.host.name)
            if time.monotonic() > deadline:
                return False
            self.sleep(POLL_SECONDS)
        return True

    def prints(self, text: str, seconds: float) -> bool:
        """Wait, not longer than so many seconds, until a text is in what it has printed; tell whether it is."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(NodeprovError):
                if text in self.log():
                    return True
            if time.monotonic() > deadline:
                return False
            self.sleep(POLL_SECONDS)

    def log(self) -> str:
        """Return what it has printed."""
        return self._call("logs", self.name)

    def probe(self, *arguments: str, timeout_seconds: float | None = None) -> Output:
        """Run the probe in it once more, by exec, whatever its status."""
        call = self.kubectl.call("-n", self.namespace, "exec", self.name, "--", PROBE, *arguments)
        return self.host.run(call, timeout_seconds=timeout_seconds)

    def execute(self, *arguments: str) -> str:
        """Run the probe in it once more, by exec; raise CommandFailed if that fails."""
        return check(self.probe(*arguments), f"cannot run `{arguments[0]}` in a pod", where=self.host.name).text

    def trouble(self) -> str:
        """Return why it makes no progress: kubelet's last message about it, or the last two events."""
        status = self.get().get("status", {})
        waiting = [each.get("state", {}).get("waiting", {}) for each in status.get("containerStatuses", ())]
        said = [status.get("message", ""), *(each.get("message", "") for each in waiting)]
        return "; ".join(filter(None, said)) or self._events()

    def _events(self) -> str:
        selector = f"involvedObject.name={self.name}"
        asked = ("get", "events", "--field-selector", selector, "-o", "json")
        text = self._call(*asked, when_well=b'{"items": []}')
        events = understood(text, self.host, doing=f"the events of pod {self.name}").get("items", ())
        causes = [each for each in events if each.get("type") == "Warning" and each.get("reason") not in NO_CAUSES]
        said = dict.fromkeys(each.get("message", "") for each in sorted(causes or events, key=_last_seen))
        return "; ".join(filter(None, [*said][-2:])) or NO_EVENTS

    def _call(self, *arguments: str, when_well: bytes = b"") -> str:
        doing = f"kubectl {arguments[0]} fails for pod {self.name}"
        return self.kubectl.run(self.host, "-n", self.namespace, *arguments, doing=doing, when_well=when_well)
