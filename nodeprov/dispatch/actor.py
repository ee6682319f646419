"""The steps of a node's run, carried out: each is one or two requests, and harmless where it was done already."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nodeprov.dispatch.api import Api, ApiError, Object
from nodeprov.dispatch.case import Ended
from nodeprov.dispatch.marks import (
    BETWEEN,
    CLAIM,
    CORDONED,
    DONE,
    DRAINING,
    FAILED,
    LAST,
    STAGED,
    UNLABELLED,
    WAITING,
    Last,
)
from nodeprov.dispatch.views import (
    COMPONENT,
    DRAIN_ANNOTATION,
    PROOF,
    UID_ANNOTATION,
    WANT_ANNOTATION,
    NodeView,
    PodView,
)
from nodeprov.dispatch.wanted import INSTALL, STAGE, UNINSTALL, Wanted
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import MESSAGE_PATH, NODE_ANNOTATION, RUN_LABEL, engine_pod
from nodeprov.inventory import Settings
from nodeprov.kubernetes import restricted
from nodeprov.kubernetes.images import GO_ARCHITECTURES, PROBE
from nodeprov.kubernetes.runtime_class import MANAGED_BY, manifest, wanted_runtime_class

NODES, CLASSES = "/api/v1/nodes", "/apis/node.k8s.io/v1/runtimeclasses"
_PROBES = "/usr/lib/python3/dist-packages/nodeprov/kubernetes/probe/bin"
"""Where the image of the engine has the programs that prove a node: it is on the node by then."""
EVENT_SECONDS = 3600
_LONGEST_NOTE = 1000
"""Kubernetes allows 1024 bytes (pkg/apis/events/validation)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a node: `reason` is a word in camel case, as Events have it."""

    node: str
    reason: str
    said: str
    is_warning: bool = False


class Actor:
    """Changes nodes and pods in the cluster; for use by several threads."""

    def __init__(self, api: Api, namespace: str, now: Callable[[], str], identity: str) -> None:
        """Act in a cluster; engines' pods are made in `namespace`, `now` tells the time, `identity` who acts."""
        self._api, self._namespace, self._now, self._identity = api, namespace, now, identity
        self._changing = threading.Lock()
        self._has_class: set[tuple[str, str]] = set()

    def claim(self, node: NodeView, wanted: Wanted, settings: Settings, action: str) -> NodeView:
        """Take a node for a run, before anything is done there; of one that is left the label goes at once."""
        labels: dict[str, str | None] = {CLAIM: wanted.run}
        annotations: dict[str, str | None] = {}
        if action == UNINSTALL and (label := node.labels.get(settings.label.key)) is not None:
            labels[settings.label.key], annotations[UNLABELLED] = None, label
        if node.is_being_emptied:  # by a run before this one, which has its own time
            annotations |= {WAITING: None, DRAINING: None, _first_mark(settings): self._now()}
        value: Object = {"metadata": {"labels": labels, "annotations": annotations}}
        return self._patch(node, value)

    def cordon(self, node: NodeView, wanted: Wanted, settings: Settings) -> NodeView:
        """Have no pods sent to a node, and say that it was us, in one write; another one's cordon is not ours.

        Time runs from the first such write of a run.
        """
        value: Object = {"metadata": {"annotations": {}}}
        if not node.is_being_emptied:
            value["metadata"]["annotations"][_first_mark(settings)] = self._now()
        if not node.is_cordoned:
            value["metadata"]["annotations"][CORDONED] = wanted.run
            value["spec"] = {"unschedulable": True}
        return self._patch(node, value)

    def drain(self, node: NodeView) -> NodeView:
        """Take it that pods are to leave from now on: those that were waited for have ended, or take too long."""
        return self._patch(node, {"metadata": {"annotations": {WAITING: None, DRAINING: self._now()}}})

    def uncordon(self, node: NodeView) -> NodeView:
        """Take our marks of a drain away, and our cordon, from a node that no run has any more."""
        return self._patch(node, _undrained(node))

    def give_back(self, node: NodeView, wanted: Wanted, settings: Settings, action: str) -> NodeView:
        """Leave a node on which nothing was restarted as it was before its run: one write.

        The claim of an earlier run stays: its action, and so what it has changed, is not known here.
        """
        value = _undrained(node)
        if node.claim == wanted.run:
            label = self._label(node, settings, Ended(FAILED, action=action))
            value["metadata"]["labels"] = {CLAIM: None, **label}
            value["metadata"]["annotations"] |= _labelled(node)
        return self._patch(node, value)

    def make_engine(
        self, node: NodeView, wanted: Wanted, settings: Settings, action: str, *, before_drain: bool = False
    ) -> PodView:
        """Make the pod that does the work; one that is there already is taken.

        `before_drain` has it do only what of an install restarts nothing.
        """
        assigned = STAGE if before_drain else action
        assignment = Assignment(wanted.run, assigned, node.name, node.uid, node.machine_id)
        value = engine_pod(
            assignment,
            wanted.images,
            prefix=settings.paths.prefix,
            deadline_seconds=wanted.deadline_seconds,
            namespace=self._namespace,
        )
        value["metadata"]["annotations"] |= {UID_ANNOTATION: node.uid, WANT_ANNOTATION: wanted.digest}
        if before_drain:
            value["metadata"]["name"] += "-s"  # both are there for a while
            value["metadata"]["annotations"][DRAIN_ANNOTATION] = action
        return self._made(value)

    def make_proof(self, node: NodeView, wanted: Wanted, settings: Settings) -> PodView:
        """Make the pod that proves a node, once there is the RuntimeClass by which it gets there."""
        self._insist_on_class(settings)
        return self._made(proof_pod(node, node.claim, wanted.images.engine, settings))

    def finish(self, node: NodeView, settings: Settings, ended: Ended) -> NodeView:
        """Say on the node how its run has ended, and send it sandboxed pods if all is proven: one write."""
        action, found = ended.action, ended.found
        last = Last(
            run=node.claim or ended.run,
            action=action,
            result=ended.result,
            want=ended.want,
            machine=node.machine,
            at=self._now(),
            release=found.release if found else "",
            soaked="yes" if node.last and (node.last.run, node.last.result) == (node.claim, DONE) else "",
            why=ended.why,
        )
        labels: dict[str, str | None] = {CLAIM: None}
        labels |= self._label(node, settings, ended)
        value = _undrained(node)
        value["metadata"]["labels"] = labels
        value["metadata"]["annotations"] |= {**_annotations(last), **_labelled(node)}
        taints = [each for each in node.taints if each.get("key") != settings.cluster.startup_taint]
        if action == INSTALL and ended.result == DONE:
            self._insist_on_class(settings)
            if len(taints) < len(node.taints):
                value["spec"]["taints"] = taints
        return self._patch(node, value)

    def _label(self, node: NodeView, settings: Settings, ended: Ended) -> dict[str, str | None]:
        """Say what becomes of the label by which sandboxed pods are sent to a node."""
        key, value, action = settings.label.key, settings.label.value, ended.action
        if action == INSTALL and ended.result == DONE:
            return {key: value}
        if action == INSTALL and ended.result == BETWEEN and key in node.labels:
            return {key: None}  # it does not run sandboxes any more
        if ended.result not in (DONE, BETWEEN) and node.unlabelled is not None:
            return {key: node.unlabelled}  # as before the uninstall that took it, this one or one before
        return {}

    def remove(self, pod: PodView, *, at_once: bool = False) -> None:
        """Delete a pod, that very one; `at_once` is not to wait until its kubelet has ended it."""
        grace = {"gracePeriodSeconds": 0} if at_once else {}
        self._api.delete(f"{_pods(pod.namespace)}/{pod.name}", uid=pod.uid, **grace)

    def read(self, node: NodeView) -> NodeView:
        """Read a node as it is now."""
        return NodeView.of(self._api.get(f"{NODES}/{node.name}"))

    def tell(self, told: Told, node: NodeView) -> None:
        """Make an Event on a node, where `kubectl describe node` shows it."""
        now = self._now()
        stamp = hashlib.sha256(f"{told}{now}".encode()).hexdigest()[:16]
        value = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{node.name}.{stamp}", "namespace": "default"},
            # kubelet's own events have the name for the UID, and kubectl asks for both.
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.name},
            "reason": told.reason,
            "message": told.said[:_LONGEST_NOTE],
            "type": "Warning" if told.is_warning else "Normal",
            "source": {"component": "nodeprov"},
            "reportingComponent": "nodeprov.io/dispatcher",
            "reportingInstance": self._identity,
            "firstTimestamp": now.replace("+00:00", "Z"),
            "lastTimestamp": now.replace("+00:00", "Z"),
            "count": 1,
        }
        self._api.create("/api/v1/namespaces/default/events", value)

    def _patch(self, node: NodeView, value: Object) -> NodeView:
        """Change a node if it is still the one that was read; one that was made anew has another UID.

        Raises ApiError with status 409 where somebody has changed it meanwhile.
        """
        value["metadata"] |= {"uid": node.uid, "resourceVersion": node.version}
        return NodeView.of(self._api.patch(f"{NODES}/{node.name}", value, fieldManager="nodeprov"))

    def _made(self, value: Object) -> PodView:
        """Make a pod, also where the answer to a first try was lost, or another dispatcher was faster."""
        path = _pods(value["metadata"]["namespace"])
        try:
            return PodView.of(self._api.create(path, value))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        return PodView.of(self._api.get(f"{path}/{value['metadata']['name']}"))

    def _insist_on_class(self, settings: Settings) -> None:
        """Have the RuntimeClass, and the one of the proofs, which leads to nodes that have no label yet."""
        handler = settings.runtime.handler
        own = manifest(settings.runtime_class.name, wanted_runtime_class(settings))
        proofs = {key: own[key] for key in ("apiVersion", "kind", "handler")}
        proofs["metadata"] = {"name": proof_class(settings), "labels": MANAGED_BY}
        with self._changing:
            for value in (own, proofs):
                name = value["metadata"]["name"]
                if (name, handler) not in self._has_class:
                    self._have(value)
                    self._has_class.add((name, handler))

    def _have(self, value: Object) -> None:
        """Make a RuntimeClass, or give one that is there our fields; its handler cannot be changed."""
        path = f"{CLASSES}/{value['metadata']['name']}"
        found = self._api.find(path)
        if found is None:
            try:
                self._api.create(CLASSES, value)
                return
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
            found = self._api.get(path)
        wanted = {key: value.get(key) for key in ("overhead", "scheduling")}
        if {key: found.get(key) for key in wanted} != wanted or found["handler"] != value["handler"]:
            self._api.patch(path, {**wanted, "handler": value["handler"]})


def _first_mark(settings: Settings) -> str:
    """Name the mark of what comes first: pods are waited for, or they leave at once."""
    return DRAINING if settings.rollout.wait_for is None else WAITING


def _undrained(node: NodeView) -> Object:
    """Write the change that takes the marks of a drain away, and the cordon if it is ours."""
    marks = {DRAINING: node.draining, WAITING: node.waiting, CORDONED: node.has_our_cordon}
    value: Object = {"metadata": {"annotations": {key: None for key, is_there in marks.items() if is_there}}}
    value["spec"] = {}
    if node.has_our_cordon and node.is_cordoned:
        value["spec"]["unschedulable"] = None
    return value


def _labelled(node: NodeView) -> dict[str, None]:
    """Forget which label was taken away: the end of a run says what becomes of it."""
    return {} if node.unlabelled is None else {UNLABELLED: None}


def _annotations(last: Last) -> dict[str, str | None]:
    """Say on a node how its run has ended; what was staged before is installed, or gone, where that was done."""
    if last.action == STAGE:
        return {STAGED: last.text()}
    if last.result != DONE:
        return {LAST: last.text()}
    return {LAST: None if last.action == UNINSTALL else last.text(), STAGED: None}


def proof_class(settings: Settings) -> str:
    """Name the RuntimeClass of the pods that prove nodes."""
    return f"{settings.runtime_class.name}-nodeprov-proof"


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def proof_pod(node: NodeView, run: str, engine: str, settings: Settings) -> dict[str, Any]:
    """Write the pod that proves a node: it says which kernel it has, in its termination message.

    It has the image that the inventory names for proofs, else that of the `engine`.
    """
    machine = next((name for name, go in GO_ARCHITECTURES.items() if go == node.architecture), node.architecture)
    program = PROBE if settings.proof.image else f"{_PROBES}/probe-{machine}"
    digest = hashlib.sha256(node.name.encode()).hexdigest()[:10]
    container = {
        "name": PROOF,
        "image": settings.proof.image or engine,
        "imagePullPolicy": "IfNotPresent",
        "command": [program, "kernel", MESSAGE_PATH],
        "terminationMessagePath": MESSAGE_PATH,
        "securityContext": restricted.OF_CONTAINER,
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "200m", "memory": "128Mi"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"nodeprov-proof-{run}-{digest}",
            "namespace": settings.proof.namespace,
            "labels": {**MANAGED_BY, COMPONENT: PROOF, RUN_LABEL: run},
            "annotations": {NODE_ANNOTATION: node.name, UID_ANNOTATION: node.uid},
        },
        "spec": {
            "runtimeClassName": proof_class(settings),
            "nodeName": node.name,
            **restricted.short_lived(settings.proof.timeout_seconds),
            "securityContext": restricted.of_pod(),
            "containers": [container],
        },
    }
