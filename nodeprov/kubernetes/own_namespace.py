"""A namespace of our own for pods that are made, looked at and removed, whatever happens in between."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host
from nodeprov.kubernetes.kubectl import Kubectl, is_forbidden, understood

POLL_SECONDS = 0.3
REMOVAL_SECONDS = 60
SLICE_SECONDS = 5
"""How long kubectl may wait before we look whether the wait makes sense, or somebody wants us to end."""
MARK = "nodeprov.io/made-for"
_LONGEST_VALUE = 63
"""A node may have a longer name than a label's value may be (apimachinery: pkg/util/validation)."""
_NO_ACCOUNT = 'serviceaccount "default" not found'
"""What is said in a namespace that is new (kubernetes: plugin/pkg/admission/serviceaccount)."""
_STUCK = ("CreateContainerError", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "RunContainerError")


@dataclass(frozen=True, slots=True)
class OwnNamespace:
    """A namespace that is there while it is used. `sleep` is how it waits; it may raise what is to end it."""

    kubectl: Kubectl
    host: Host
    name: str
    sleep: Callable[[float], None]
    removal_seconds: int = REMOVAL_SECONDS

    def create(self, pods: Sequence[Mapping[str, Any]], timeout_seconds: float) -> None:
        """Make pods, again while the namespace has no service account yet."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*pods]}).encode()

        def apply() -> None:  # and not `create`, as some of the pods may be there after a first try
            self._run("apply", "-f", "-", doing="cannot create pods", stdin=manifest)

        until_there_is_an_account(apply, lambda: self.sleep(POLL_SECONDS), timeout_seconds)

    def wait_for(self, phase: str, names: Sequence[str], timeout_seconds: float) -> dict[str, dict[str, Any]]:
        """Wait until the pods of these names are in a phase; return them by name.

        Raises NodeprovError if one of them ends otherwise, cannot start, or not in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            pods = {name: pod for name, pod in self.pods().items() if name in names}
            waiting = [name for name in names if _phase(pods.get(name, {})) != phase]
            if not waiting:
                return pods
            for name in waiting:
                self._insist(name, pods.get(name, {}), phase, is_late=time.monotonic() > deadline)
            self.sleep(POLL_SECONDS)

    def wait_until_started(self, name: str, timeout_seconds: float) -> None:
        """Wait until a pod runs, and return at that moment; raise NodeprovError as `wait_for` does."""
        until = ("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Running", f"--timeout={SLICE_SECONDS}s")
        deadline = time.monotonic() + timeout_seconds
        while self.host.run(self.kubectl.call("-n", self.name, *until)).returncode != 0:
            pod = self.pods().get(name, {})
            if _phase(pod) == "Succeeded":  # it has been quicker than we looked
                return
            self._insist(name, pod, "Running", is_late=time.monotonic() > deadline)
            self.sleep(0)

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return all pods by their names."""
        text = self._run("get", "pods", "-o", "json", doing="the pods cannot be read", when_well=b'{"items": []}')
        items = understood(text, self.host, doing="the pods").get("items", [])
        return {str(each["metadata"]["name"]): each for each in items}

    def log(self, name: str) -> str:
        """Return what a pod's first container has printed."""
        return self._run("logs", name, doing=f"the output of pod {name} cannot be read")

    def delete(self, names: Sequence[str]) -> None:
        """Remove pods, and wait until they are gone."""
        arguments = ("delete", "pods", *names, "--ignore-not-found", f"--timeout={self.removal_seconds}s")
        self._run(*arguments, doing="cannot delete pods")

    def _insist(self, name: str, pod: Mapping[str, Any], phase: str, *, is_late: bool) -> None:
        status = pod.get("status", {})
        states = [each.get("state", {}) for each in status.get("containerStatuses", ())]
        stuck = [each["waiting"] for each in states if each.get("waiting", {}).get("reason") in _STUCK]
        if not (is_late or stuck or _phase(pod) in ("Failed", "Succeeded")):
            return
        said = "; ".join(filter(None, [status.get("message", ""), *(each.get("message", "") for each in stuck)]))
        if not said:
            said = self.log(name)[-200:].strip() if _phase(pod) == "Failed" else self._events(name)
        raise NodeprovError(
            f"the pod {self.name}/{name} is {_phase(pod)}, not {phase}: {said}",
            "journalctl -u kubelet -u containerd on the node; nodeprov explain knows many of its lines",
        )

    def _events(self, name: str) -> str:
        arguments = ("get", "events", "--field-selector", f"involvedObject.name={name},type=Warning", "-o", "json")
        text = self._run(*arguments, doing="the events of a pod cannot be read", when_well=b'{"items": []}')
        found = understood(text, self.host, doing="the events of a pod").get("items", [])
        return str(found[-1].get("message", "")) if found else "the cluster says nothing about it"

    def _run(self, *arguments: str, doing: str, stdin: bytes = b"", when_well: bytes = b"") -> str:
        return self.kubectl.run(
            self.host, "-n", self.name, *arguments, doing=doing, stdin=stdin, when_well=when_well
        )


def until_there_is_an_account(
    create: Callable[[], None], pause: Callable[[], None], timeout_seconds: float
) -> None:
    """Call what makes pods, again while their namespace has no service account yet; raise what it raises."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            create()
        except NodeprovError as error:
            if _NO_ACCOUNT not in error.message or time.monotonic() > deadline:
                raise
        else:
            return
        pause()


def _phase(pod: Mapping[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def new_name(purpose: str) -> str:
    """Return a name for a namespace that no other one has."""
    return f"nodeprov-{purpose}-{secrets.token_hex(4)}"


def mark_of(purpose: str, node: str) -> str:
    """Return what stands for a purpose on a node in a label; for a long name, a part of it is its digest."""
    mark = f"{purpose}.{node}"
    if len(mark) <= _LONGEST_VALUE:
        return mark
    return f"{purpose}.{hashlib.sha256(node.encode()).hexdigest()}"[:_LONGEST_VALUE]


@contextmanager
def own_namespace(
    kubectl: Kubectl,
    host: Host,
    purpose: str,
    node: str,
    sleep: Callable[[float], None],
    patience: int = 1,
    *,
    name: str = "",
    is_privileged: bool = False,
) -> Iterator[OwnNamespace]:
    """Have a namespace for a purpose on a node, and remove it with all pods; those of killed runs go first.

    With `patience`, to remove things may take so many times longer than usual. Where it `is_privileged`, its pods
    may be all that they ask for, in a cluster that restricts pods by default.
    """
    seconds = REMOVAL_SECONDS * patience
    mark, name = mark_of(purpose, node), name or new_name(purpose)
    level = {"pod-security.kubernetes.io/enforce": "privileged"} if is_privileged else {}
    metadata = {"name": name, "labels": {MARK: mark, "app.kubernetes.io/managed-by": "nodeprov", **level}}
    value = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).encode()
    _remove(kubectl, host, seconds, "--selector", f"{MARK}={mark}")
    try:
        doing = "cannot create a namespace for pods of our own"
        _call(kubectl, host, "apply", "-f", "-", doing=doing, stdin=value)
        yield OwnNamespace(kubectl, host, name, sleep, seconds)
    finally:
        _remove(kubectl, host, seconds, name)


def _remove(kubectl: Kubectl, host: Host, seconds: int, *which: str) -> None:
    arguments = ("delete", "namespace", *which, "--ignore-not-found", f"--timeout={seconds}s")
    _call(kubectl, host, *arguments, doing="cannot remove a namespace for pods of our own")


def _call(kubectl: Kubectl, host: Host, *arguments: str, doing: str, stdin: bytes = b"") -> None:
    try:
        kubectl.run(host, *arguments, doing=doing, stdin=stdin)
    except NodeprovError as error:
        if is_forbidden(error.message):
            error.hint = "give that user the role that has it: nodeprov rbac --probe"
        raise
