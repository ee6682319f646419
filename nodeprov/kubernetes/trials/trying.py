"""Trying a workload: its shadow in the sandbox and beside it under runc, and nothing left of both."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nodeprov.errors import Cancelled, NodeprovError, OnLeft, UsageError, undone_at_end
from nodeprov.hosts.base import Host
from nodeprov.inventory import Settings
from nodeprov.kubernetes.kubectl import Kubectl, kubectl, understood
from nodeprov.kubernetes.reach import Reach
from nodeprov.kubernetes.trials.live_workloads import KINDS
from nodeprov.kubernetes.trials.refusals import hint_in_namespace, insist_on_runtime_class
from nodeprov.workloads.shadow import Shadow, pod
from nodeprov.workloads.trial import Run, has_settled

POLL_SECONDS = 1.0
LIFE_BESIDES_SECONDS = 120
"""How much longer than the wait a pod lives whose nodeprov was killed."""
MEMORY_SECONDS = 20.0
"""kubelet measures every ten."""
REMOVAL_SECONDS = 60
LABEL = "nodeprov.io/try"
SHORT = {
    "cj": "CronJob",
    "deploy": "Deployment",
    "ds": "DaemonSet",
    "po": "Pod",
    "rc": "ReplicationController",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_HINT = "nodeprov try shop/deployment/web; or: nodeprov try deployment/web -n shop"


@dataclass(frozen=True, slots=True)
class Subject:
    """Which object of a cluster is tried."""

    namespace: str
    kind: str
    name: str

    @classmethod
    def of(cls, text: str, namespace: str | None) -> Subject:
        """Read [NAMESPACE/]KIND/NAME; raise UsageError for what is none."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(_NAME.fullmatch(each.lower()) for each in parts):
            raise UsageError(f"{text!r} names no workload", _HINT)
        if len(parts) == 3 and namespace not in (None, parts[0]):
            raise UsageError(f"{text} is in {parts[0]}, and --namespace is {namespace}", "leave one of them out")
        where = parts[0] if len(parts) == 3 else namespace or "default"
        return cls(where, _kind(parts[-2]), parts[-1])

    @property
    def title(self) -> str:
        """Its kind and name."""
        return f"{self.kind} {self.namespace}/{self.name}"


def by_sides(items: Iterable[Mapping[str, Any]], namespace: str) -> dict[str, Any]:
    """Tell the pods of a trial apart; raise NodeprovError where that in the sandbox was deleted meanwhile."""
    found = {each["metadata"]["name"].rpartition("-")[2]: each for each in items}
    if "sandbox" not in found:
        raise NodeprovError(
            "somebody else has deleted the pod of the trial",
            f"kubectl get events -n {namespace}; then run it again",
            where=namespace,
        )
    return found


def _kind(text: str) -> str:
    for kind, plural in KINDS.items():
        one = plural.partition(".")[0]
        if text.lower() in (kind.lower(), one, plural):
            return kind
    if text.lower() in SHORT:
        return SHORT[text.lower()]
    raise UsageError(f"{text} is not a kind that makes pods", f"it is one of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Pods:
    """How both pods went, the node, and the UID of the sandboxed one."""

    node: str
    uid: str
    sandbox: Run
    runc: Run | None


@dataclass(frozen=True, slots=True)
class Trier:
    """Runs shadows in a cluster; `on_left` hears what could not be removed at the end, and else it is raised."""

    reach: Reach
    settings: Settings
    subject: Subject
    seconds: float
    on_left: OnLeft | None = None

    @classmethod
    def of(
        cls,
        cluster: Host,
        settings: Settings,
        subject: Subject,
        seconds: float,
        sleep: Callable[[float], None],
        on_left: OnLeft | None = None,
    ) -> Trier:
        """Make one by what is set; `sleep` is how it waits, and may raise what is to end it."""
        reach = Reach(kubectl(settings.cluster), cluster, sleep, settings.proof.patience)
        return cls(reach, settings, subject, seconds, on_left)

    @property
    def _kubectl(self) -> Kubectl:
        return self.reach.kubectl

    def whole(self) -> dict[str, Any]:
        """Read the object; raise NodeprovError if it is not there."""
        subject, kind = self.subject, KINDS[self.subject.kind]
        where = ("-n", subject.namespace)
        doing = f"{subject.title} cannot be read"
        try:
            text = self._kubectl.run(self.reach.host, *where, "get", kind, subject.name, "-o", "json", doing=doing)
        except NodeprovError as error:
            if "not found" in error.message:
                error.hint = self._kubectl.typed(*where, "get", kind)
            raise
        return understood(text, self.reach.host, doing=subject.title)

    @contextmanager
    def running(self, made: Shadow) -> Iterator[Pods]:
        """Run a shadow in the sandbox and under runc, on the same node, and see how far both come."""
        mark = secrets.token_hex(4)
        with undone_at_end(lambda: self._remove(mark), self.on_left):
            self._create(made, mark, "sandbox", {"runtimeClassName": self.settings.runtime_class.name})
            node = self._node(mark)
            if node:
                self._create(made, mark, "runc", {"nodeName": node})
            yield self._settled(mark, node)

    def _remove(self, mark: str) -> None:
        """Remove both pods; whoever has interrupted us waits for this too, by a sleep that nothing ends."""
        which = ("delete", "pods", "-n", self.subject.namespace, "-l", f"{LABEL}={mark}")
        ends = ("--ignore-not-found", f"--timeout={REMOVAL_SECONDS}s")
        doing = f"pods of the trial are still in the namespace {self.subject.namespace}"
        try:
            replace(self.reach, sleep=time.sleep).run(*which, *ends, doing=doing)
        except NodeprovError as error:
            error.hint = f"remove them: {self._kubectl.typed(*which)}"
            raise

    def _create(self, made: Shadow, mark: str, side: str, placed: Mapping[str, str]) -> None:
        labels = {"app.kubernetes.io/managed-by": "nodeprov", LABEL: mark}
        metadata = {
            "name": f"nodeprov-try-{mark}-{side}",
            "namespace": self.subject.namespace,
            "labels": labels,
        }
        life = int(self.seconds) + LIFE_BESIDES_SECONDS
        manifest = json.dumps(pod(made, metadata, placed=placed, seconds=life)).encode()
        doing = f"cannot create the shadow of {self.subject.title}"
        try:
            self.reach.run("create", "-f", "-", doing=doing, stdin=manifest)
        except NodeprovError as error:
            if f'"{metadata["name"]}" already exists' in error.message:  # the answer to a first try was lost
                return
            error.hint = hint_in_namespace(error.message, self.subject.namespace) or error.hint
            raise

    def _node(self, mark: str) -> str:
        """Wait until the scheduler has found a node for the sandboxed pod; "" if it finds none."""
        deadline = self.reach.now() + self.seconds
        while True:
            found: str = self._pods(mark)["sandbox"].get("spec", {}).get("nodeName", "")
            if found or self.reach.now() > deadline:
                return found
            self.reach.sleep(POLL_SECONDS)

    def _settled(self, mark: str, node: str) -> Pods:
        deadline = self.reach.now() + self.seconds
        while not all(map(has_settled, (pods := self._pods(mark)).values())) and self.reach.now() < deadline:
            self.reach.sleep(POLL_SECONDS)
        memory = self._memory(node, [each["metadata"]["uid"] for each in pods.values()]) if node else {}
        pods = self._pods(mark)  # some restart when they were ready
        events = self._events()
        runs = {side: Run.of(each, events, memory.get(each["metadata"]["uid"])) for side, each in pods.items()}
        return Pods(node, pods["sandbox"]["metadata"]["uid"], runs["sandbox"], runs.get("runc"))

    def _pods(self, mark: str) -> dict[str, Any]:
        """Read both pods, by their sides."""
        found = by_sides(self._items("pods", "-l", f"{LABEL}={mark}"), self.subject.namespace)
        for side, each in found.items():
            insist_on_runtime_class(each, self.settings.runtime_class.name if side == "sandbox" else None)
        return found

    def _events(self) -> list[dict[str, Any]]:
        return self._items("events")

    def _items(self, *what: str) -> list[dict[str, Any]]:
        asked, doing = ("-n", self.subject.namespace, "get", *what), f"{what[0]} cannot be read"
        items: list[dict[str, Any]] = self.reach.json(*asked, doing=doing, what=what[0]).get("items", [])
        return items

    def _memory(self, node: str, uids: list[str]) -> dict[str, int]:
        """Ask kubelet what the pods take, until it has measured them; who may not ask learns nothing."""
        deadline = self.reach.now() + MEMORY_SECONDS
        found: dict[str, int] = {}
        while True:
            try:
                found |= self._measured(node)
            except Cancelled:
                raise
            except NodeprovError:
                return found
            if all(each in found for each in uids) or self.reach.now() > deadline:
                return found
            self.reach.sleep(POLL_SECONDS)

    def _measured(self, node: str) -> dict[str, int]:
        path = f"/api/v1/nodes/{node}/proxy/stats/summary"
        text = self.reach.run("get", "--raw", path, doing="kubelet's numbers cannot be read")
        pods = understood(text, self.reach.host, doing="kubelet's numbers").get("pods", ())
        taken = {each["podRef"]["uid"]: each.get("memory", {}).get("workingSetBytes") for each in pods}
        return {uid: memory for uid, memory in taken.items() if memory}
