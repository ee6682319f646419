"""A namespace of our own for pods that are made, looked at and removed, whatever happens in between."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nodeprov.errors import NodeprovError, OnLeft, undone_at_end
from nodeprov.kubernetes.kubectl import is_forbidden
from nodeprov.kubernetes.reach import Reach
from nodeprov.kubernetes.trials.refusals import hint_in_own_namespace

POLL_SECONDS = 0.3
REMOVAL_SECONDS = 60
SLICE_SECONDS = 5
"""How long kubectl may wait before we look whether the wait makes sense, or somebody wants us to end."""
MARK = "nodeprov.io/made-for"
_MANAGED_BY = "app.kubernetes.io/managed-by"
_CANNOT = "cannot have a namespace for pods of our own"
OURS = f"{_MANAGED_BY}=nodeprov"
"""The label of our namespaces, for policies that are to leave them alone."""
_LONGEST_VALUE = 63
"""A node may have a longer name than a label's value may be (apimachinery: pkg/util/validation)."""
_NO_ACCOUNT = 'serviceaccount "default" not found'
"""What is said in a namespace that is new (kubernetes: plugin/pkg/admission/serviceaccount)."""
_STUCK = ("CreateContainerError", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "RunContainerError")


@dataclass(frozen=True, slots=True)
class OwnNamespace:
    """A namespace that is there while it is used."""

    reach: Reach
    name: str

    def create(self, pods: Sequence[Mapping[str, Any]], timeout_seconds: float) -> None:
        """Make pods, again while the namespace has no service account yet."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*pods]}).encode()

        deadline = self.reach.now() + timeout_seconds
        while True:
            try:  # `apply`, and not `create`, as some of the pods may be there after a first try
                self._run("apply", "-f", "-", doing="cannot create pods", stdin=manifest)
            except NodeprovError as error:
                if _NO_ACCOUNT not in error.message or self.reach.now() > deadline:
                    error.hint = hint_in_own_namespace(error.message, OURS) or error.hint
                    raise
            else:
                return
            self.reach.sleep(POLL_SECONDS)

    def wait_for(self, phase: str, names: Sequence[str], timeout_seconds: float) -> dict[str, dict[str, Any]]:
        """Wait until the pods of these names are in a phase; return them by name.

        Raises NodeprovError if one of them ends otherwise, cannot start, or not in time.
        """
        deadline = self.reach.now() + timeout_seconds
        while True:
            pods = {name: pod for name, pod in self.pods().items() if name in names}
            waiting = [name for name in names if _phase(pods.get(name, {})) != phase]
            if not waiting:
                return pods
            for name in waiting:
                self._insist(name, pods.get(name, {}), phase, is_late=self.reach.now() > deadline)
            self.reach.sleep(POLL_SECONDS)

    def wait_until_started(self, name: str, timeout_seconds: float) -> None:
        """Wait until a pod runs, and return at that moment; raise NodeprovError as `wait_for` does."""
        until = ("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Running", f"--timeout={SLICE_SECONDS}s")
        doing = f"the pod {name} cannot be waited for"
        deadline = self.reach.now() + timeout_seconds
        while (output := self.reach.output("-n", self.name, *until, doing=doing)).returncode != 0:
            if is_forbidden(output.said):  # to try again is in vain
                self.reach.kubectl.insist(output, doing, where=self.reach.host.name)
            pod = self.pods().get(name, {})
            if _phase(pod) == "Succeeded":  # it has been quicker than we looked
                return
            self._insist(name, pod, "Running", is_late=self.reach.now() > deadline)
            self.reach.sleep(0)

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return all pods by their names."""
        items = self._items("pods", doing="the pods cannot be read")
        return {str(each["metadata"]["name"]): each for each in items}

    def log(self, name: str) -> str:
        """Return what a pod's first container has printed."""
        return self._run("logs", name, doing=f"the output of pod {name} cannot be read")

    def delete(self, names: Sequence[str]) -> None:
        """Remove pods, and wait until they are gone."""
        arguments = ("delete", "pods", *names, "--ignore-not-found", f"--timeout={_removal_seconds(self.reach)}s")
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
        selector = f"involvedObject.name={name},type=Warning"
        found = self._items("events", "--field-selector", selector, doing="the events of a pod cannot be read")
        return str(found[-1].get("message", "")) if found else "the cluster says nothing about it"

    def _run(self, *arguments: str, doing: str, stdin: bytes = b"") -> str:
        return self.reach.run("-n", self.name, *arguments, doing=doing, stdin=stdin)

    def _items(self, *what: str, doing: str) -> list[dict[str, Any]]:
        asked = ("-n", self.name, "get", *what)
        found: list[dict[str, Any]] = self.reach.json(
            *asked, doing=doing, what=f"the {what[0]}", when_well=b'{"items": []}'
        ).get("items", [])
        return found


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
    reach: Reach,
    purpose: str,
    node: str,
    *,
    name: str = "",
    is_privileged: bool = False,
    on_left: OnLeft | None = None,
) -> Iterator[OwnNamespace]:
    """Have a namespace for a purpose on a node, and remove it with all pods; those of killed runs go first.

    Where it `is_privileged`, its pods may be all that they ask for, in a cluster that restricts pods by default.
    `on_left` is as for `undone_at_end`.
    """
    mark, name = mark_of(purpose, node), name or new_name(purpose)
    level = {"pod-security.kubernetes.io/enforce": "privileged"} if is_privileged else {}
    metadata = {"name": name, "labels": {MARK: mark, _MANAGED_BY: "nodeprov", **level}}
    value = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).encode()
    selector = f"{MARK}={mark}"
    _remove(
        reach, "--selector", selector, doing=f"{_CANNOT}: those of earlier runs cannot be removed ({selector})"
    )

    def remove() -> None:
        # Whoever has interrupted us waits for this too: it is done by a sleep that nothing ends.
        _remove(replace(reach, sleep=time.sleep), name, doing=f"the namespace {name} is still there")

    with undone_at_end(remove, on_left):
        _call(reach, "apply", "-f", "-", doing=_CANNOT, stdin=value)
        yield OwnNamespace(reach, name)


def _remove(reach: Reach, *which: str, doing: str) -> None:
    arguments = ("delete", "namespace", *which, "--ignore-not-found")
    try:
        _call(reach, *arguments, f"--timeout={_removal_seconds(reach)}s", doing=doing)
    except NodeprovError as error:
        typed = f"remove it: {reach.kubectl.typed(*arguments[:-1])}"
        error.hint = f"{error.hint}; or {typed}" if is_forbidden(error.message) else typed
        raise


def _removal_seconds(reach: Reach) -> int:
    return REMOVAL_SECONDS * reach.patience


def _call(reach: Reach, *arguments: str, doing: str, stdin: bytes = b"") -> None:
    try:
        reach.run(*arguments, doing=doing, stdin=stdin)
    except NodeprovError as error:
        if is_forbidden(error.message):
            error.hint = "give that user the role that has it: nodeprov rbac --probe"
        error.hint = hint_in_own_namespace(error.message, OURS) or error.hint
        raise
