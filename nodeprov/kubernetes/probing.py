"""Probing a node: the catalogue's questions, asked in pods of our own, in the sandbox and beside it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, check, plain
from nodeprov.inventory import Settings
from nodeprov.kubernetes.images import PROBE, ProofImage
from nodeprov.kubernetes.kubectl import Kubectl, kubectl, understood
from nodeprov.workloads.judgement import Answers
from nodeprov.workloads.probe_pods import Setting, Side, answers, has_ended, manifests

POLL_SECONDS = 1.0
LONGEST_SECONDS = 75.0
"""What all pods together get; what has not ended then has no answer."""
REMOVAL_SECONDS = 50
_NO_ACCOUNT = 'serviceaccount "default" not found'
"""What is said in a namespace that is new (kubernetes: plugin/pkg/admission/serviceaccount)."""
PART_OF = "nodeprov.io/probes"
"""The label of our namespaces; its value is the node's name."""


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks the catalogue's questions on one node.

    `sleep` is how it waits; it may raise what is to end it.
    """

    node: Host
    cluster: Host
    settings: Settings
    name: str
    image: ProofImage
    sleep: Callable[[float], None] = time.sleep

    def ask(self) -> Answers:
        """Ask all questions; raise NodeprovError if pods cannot be made. Nothing is left of it then either."""
        with self._namespace() as namespace, self._folder(namespace) as folder:
            setting = Setting(
                namespace=namespace,
                node=self.name,
                runtime_class=self.settings.runtime_class.name,
                image=self.image.reference,
                pull_policy=self.image.pull_policy,
                program=PROBE,
                folder=folder,
            )
            self._create(manifests(setting), "cannot create the pods that probe the node")
            pods, events = self._ended(namespace)
            return Answers(*(answers(pods, events, side) for side in Side))

    @property
    def _kubectl(self) -> Kubectl:
        return kubectl(self.settings.cluster)

    @contextmanager
    def _namespace(self) -> Iterator[str]:
        """Have a namespace of our own, whose pods may be all that the questions need, and remove it with them."""
        self._remove("--selector", f"{PART_OF}={self.name}")  # that of a run that was killed
        name = f"nodeprov-probe-{secrets.token_hex(5)}"
        labels = {PART_OF: self.name, "pod-security.kubernetes.io/enforce": "privileged"}
        value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        try:
            self._create(value, "cannot create a namespace for the pods that probe the node")
            yield name
        finally:
            self._remove(name)

    def _remove(self, *which: str) -> None:
        arguments = ("delete", "namespace", *which, "--ignore-not-found", f"--timeout={REMOVAL_SECONDS}s")
        self._kubectl.run(self.cluster, *arguments, doing="cannot remove the namespace of the probes")

    @contextmanager
    def _folder(self, mark: str) -> Iterator[str]:
        """Have an empty folder on the node, and a file in its shared memory, and remove both."""
        folder, shared = f"/run/{mark}", f"/dev/shm/{mark}"  # noqa: S108  for a moment, under a name of ours
        made = self.node.run(plain("probe folder", f"mkdir -m 755 {folder} && : > {shared}"))
        try:
            check(made, "cannot make a folder for the probes", where=self.name, hint="df /run")
            yield folder
        finally:
            gone = self.node.run(plain("probe folder removal", f"rm -rf {folder} {shared}"))
            check(gone, f"cannot remove {folder}", where=self.name, hint=f"rm -rf {folder} {shared}")

    def _create(self, value: dict[str, Any], doing: str) -> None:
        """Create objects, again while their namespace is not quite there."""
        manifest, deadline = json.dumps(value).encode(), time.monotonic() + LONGEST_SECONDS
        while True:
            try:
                self._kubectl.run(self.cluster, "apply", "-f", "-", doing=doing, stdin=manifest)
            except NodeprovError as error:
                if _NO_ACCOUNT not in error.message or time.monotonic() > deadline:
                    raise
            else:
                return
            self.sleep(POLL_SECONDS)

    def _ended(self, namespace: str) -> tuple[list[Any], list[Any]]:
        """Wait until all pods have ended, or none may go on; return them, and what is said of them."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while True:
            pods, events = self._pods(namespace)
            if all(has_ended(each, events) for each in pods) or time.monotonic() > deadline:
                return pods, events
            self.sleep(POLL_SECONDS)

    def _pods(self, namespace: str) -> tuple[list[Any], list[Any]]:
        arguments = ("-n", namespace, "get", "pods,events", "-o", "json")
        text = self._kubectl.run(self.cluster, *arguments, doing="the pods that probe the node cannot be read")
        items = understood(text, self.cluster, doing="what kubectl says of the pods").get("items", [])
        return tuple([each for each in items if each["kind"] == kind] for kind in ("Pod", "Event"))  # type: ignore[return-value]
