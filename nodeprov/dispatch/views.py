"""Nodes and pods as far as the dispatcher has to know them: of ten thousand, all else is not kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Self

from nodeprov.dispatch.api import Object
from nodeprov.dispatch.marks import CLAIM, CORDONED, DRAINING, LAST, STAGED, UNLABELLED, WAITING, Last
from nodeprov.in_cluster.pod import ACTION_LABEL, ENGINE, NODE_ANNOTATION, RUN_LABEL

UID_ANNOTATION, WANT_ANNOTATION = "nodeprov.io/node-uid", "nodeprov.io/want"
DRAIN_ANNOTATION = "nodeprov.io/before-drain"
"""What a pod has that does the part of an install that restarts nothing, before other pods have to leave."""
COMPONENT = "app.kubernetes.io/component"
PROOF = "proof"
NO_START = "StartError"
"""What containerd says of a container that has no such program (containerd: internal/cri/server/helpers.go)."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node of the cluster.

    Args:
        version: the resourceVersion, which guards a change.
        architecture: as Go calls it, such as amd64.
        handlers: the runtime handlers that its kubelet reports; None before Kubernetes 1.30.
        draining: since when a run of ours has its pods leave, UTC in ISO 8601; "" if none has.
        has_our_cordon: whether it was such a run that has cordoned it.
        waiting: since when a run of ours waits for the end of pods there, in the same way.
        unlabelled: the value of the label of sandboxed pods that an uninstall has taken away; None if none has.
    """

    name: str
    uid: str
    version: str
    machine_id: str
    architecture: str
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    is_ready: bool
    is_cordoned: bool
    handlers: tuple[str, ...] | None
    last: Last | None
    staged: Last | None = None
    draining: str = ""
    has_our_cordon: bool = False
    waiting: str = ""
    unlabelled: str | None = None

    @classmethod
    def of(cls, value: Object) -> Self:
        """Read a Node."""
        metadata, spec, status = value["metadata"], value.get("spec") or {}, value.get("status") or {}
        reported = status.get("runtimeHandlers")
        conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
        labels, info = metadata.get("labels") or {}, status.get("nodeInfo") or {}
        annotations = metadata.get("annotations") or {}
        return cls(
            metadata["name"],
            metadata.get("uid", ""),
            metadata.get("resourceVersion", ""),
            info.get("machineID", ""),
            info.get("architecture", ""),
            {intern(key): intern(text) for key, text in labels.items()},
            tuple(spec.get("taints") or ()),
            conditions.get("Ready") == "True",
            bool(spec.get("unschedulable")),
            None if reported is None else tuple(intern(each.get("name", "")) for each in reported),
            Last.parse(annotations.get(LAST, "")),
            Last.parse(annotations.get(STAGED, "")),
            annotations.get(DRAINING, ""),
            CORDONED in annotations,
            annotations.get(WAITING, ""),
            annotations.get(UNLABELLED),
        )

    @property
    def claim(self) -> str:
        """The run that has it; "" if none does."""
        return self.labels.get(CLAIM, "")

    @property
    def is_being_emptied(self) -> bool:
        """Tell whether a run of ours has pods leave it, or waits for their end."""
        return bool(self.draining or self.waiting)

    @property
    def is_ours(self) -> bool:
        """Tell whether we were there: it carries a mark of ours."""
        return bool(self.last or self.staged or self.claim)

    @property
    def machine(self) -> str:
        """The beginning of its machine's id."""
        return self.machine_id[:8]

    @property
    def unavailable(self) -> str:
        """Why it is out of service; "" where it serves."""
        if self.is_ready and not self.is_cordoned:
            return ""
        reasons = ((not self.is_ready, "not ready"), (self.is_cordoned, "cordoned"))
        return " and ".join(said for is_so, said in reasons if is_so)


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod of ours.

    Args:
        message: what the container has left when it ended by itself; None while it has not, and of one that was
            killed or could not be started.
        has_begun: whether that container has run at all.
        trouble: what kubelet says of why it does not run, or of why it ended.
        is_going: whether it is being deleted.
        is_before_drain: whether it does what needs no restart, of an install that drains.
    """

    name: str
    uid: str
    namespace: str
    version: str
    node: str
    node_uid: str
    run: str
    action: str
    want: str
    is_proof: bool
    phase: str
    message: str | None
    has_begun: bool
    trouble: str
    is_going: bool
    is_before_drain: bool = False

    @classmethod
    def of(cls, value: Object) -> Self:
        """Read a Pod."""
        metadata, status = value["metadata"], value.get("status") or {}
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        is_proof = labels.get(COMPONENT) == PROOF
        container = _status(status, PROOF if is_proof else ENGINE)
        return cls(
            metadata["name"],
            metadata.get("uid", ""),
            metadata["namespace"],
            metadata.get("resourceVersion", ""),
            annotations.get(NODE_ANNOTATION, ""),
            annotations.get(UID_ANNOTATION, ""),
            labels.get(RUN_LABEL, ""),
            labels.get(ACTION_LABEL, ""),
            annotations.get(WANT_ANNOTATION, ""),
            is_proof,
            status.get("phase", "Pending"),
            _message(container),
            _has_begun(container),
            _trouble(status),
            bool(metadata.get("deletionTimestamp")),
            DRAIN_ANNOTATION in annotations,
        )

    @property
    def is_ours(self) -> bool:
        """Tell whether it says for which node it is: our labels may be on anybody's pod."""
        return bool(self.node and self.node_uid)

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing runs in it any more."""
        return self.phase in ("Succeeded", "Failed")


def _status(status: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    found = (each for each in status.get("containerStatuses") or () if each.get("name") == container)
    return next(found, {})


def _message(container: Mapping[str, Any]) -> str | None:
    """Read what it has left; with another exit code these are kubelet's words, of one that was killed."""
    ended = (container.get("state") or {}).get("terminated")
    return None if ended is None or ended.get("exitCode") else str(ended.get("message", ""))


def _has_begun(container: Mapping[str, Any]) -> bool:
    states = [container.get("state") or {}, container.get("lastState") or {}]
    ended = [each["terminated"] for each in states if each.get("terminated") is not None]
    return any("running" in each for each in states) or any(each.get("reason") != NO_START for each in ended)


def _trouble(status: Mapping[str, Any]) -> str:
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    said = [status.get("reason", ""), status.get("message", "")]
    for each in containers:
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting and waiting.get("reason") not in ("PodInitializing", "ContainerCreating"):
            said.append(f"{each['name']}: {waiting.get('reason', '')} {waiting.get('message', '')}".strip())
        if ended.get("exitCode"):
            said.append(f"{each['name']}: exit code {ended['exitCode']} {ended.get('reason', '')}".strip())
    return "; ".join(filter(None, said))
