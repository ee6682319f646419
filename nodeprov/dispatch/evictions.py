"""Pods that are to leave a node, or to end, before its containerd restarts: they are found, and evicted."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nodeprov.dispatch.api import Api, ApiError, unless_stopped
from nodeprov.errors import MALFORMED_JSON, NodeprovError, Problems
from nodeprov.inventory import Settings
from nodeprov.kubernetes.draining import (
    ENDING,
    FORBIDDEN,
    NodePod,
    allowed_of,
    awaited,
    drain_problems,
    leaving,
    movable,
    node_pod,
)

GONE = (404, 409)
"""What is answered of a pod that has left meanwhile, also where another one has its name by now."""
REFUSED = (400, 401, 403, 422)
"""What is answered of all pods alike, however often it is asked."""
TERMINATING = "being terminated"
"""So the server refuses it in a namespace that is being deleted (k8s.io/kubectl: pkg/drain, `evictPods`)."""


@dataclass(frozen=True, slots=True)
class Left:
    """Pods that have not left: why, by namespace/name; and when the server wants to be asked again."""

    why: Mapping[str, str]
    after_seconds: float = 0.0


class Evictions:
    """Asks pods to leave nodes, as far as their PodDisruptionBudgets allow it; for use by several threads."""

    def __init__(self, api: Api, own_namespace: str, stop: threading.Event) -> None:
        """Speak to a cluster; pods of `own_namespace` stay: the dispatcher's and the engines'.

        Where it is stopped no other pod is asked to leave.
        """
        self._api, self._own_namespace, self._stop = api, own_namespace, stop

    def insist(self, node: str, settings: Settings) -> None:
        """Raise Problems where something would be lost, with pods, that nobody has allowed to lose; ApiError."""
        if problems := leaving(self._of_others(node), settings, node).problems:
            raise Problems(problems, where=node)

    def awaited(self, node: str, settings: Settings) -> Sequence[NodePod]:
        """Find the pods on a node that are waited for until they have ended."""
        return awaited(self._of_others(node), settings)

    def ask(self, node: str, settings: Settings) -> Left:
        """Evict the pods that are to leave a node, once; return those that are there still.

        Without a drain of the whole node these are those that were waited for in vain. Raises as `insist` does.
        """
        pods = movable(self._of_others(node))
        if not settings.rollout.drain:
            pods = awaited(pods, settings)
        if problems := tuple(drain_problems(pods, allowed_of(settings), node, whole=True)):
            raise Problems(problems, where=node)
        why: dict[str, str] = {}
        after = 0.0
        for pod in pods:
            why[pod.name] = ENDING
            if not pod.is_ending:
                unless_stopped(self._stop)
                why[pod.name], seconds = self._evicted(pod)
                after = max(after, seconds)
        return Left(why, after)

    def _evicted(self, pod: NodePod) -> tuple[str, float]:
        """Ask for one eviction; return why the pod is there still, and when to ask again."""
        namespace, _, name = pod.name.partition("/")
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            # One of a StatefulSet has the same name where it is made again.
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        try:
            self._api.attempt(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", eviction)
        except ApiError as error:
            if error.status in REFUSED and TERMINATING not in error.message:
                raise
            if error.status in GONE:
                return ENDING, 0.0
            return FORBIDDEN if "disruption budget" in error.message else error.message, error.after_seconds
        return ENDING, 0.0

    def _of_others(self, node: str) -> list[NodePod]:
        pages = [*self._api.pages("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")]
        try:
            found = [node_pod(each) for page in pages for each in page["items"]]
        except MALFORMED_JSON as error:
            said = f"its pods are not understood: {type(error).__name__}: {error}"
            raise NodeprovError(said, "kubectl get pods -A -o wide", where=node) from None
        return [each for each in found if not each.name.startswith(f"{self._own_namespace}/")]
