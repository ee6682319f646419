"""Emptying a node of pods: cordoned, pods waited for until they end, others evicted, and uncordoned at the end."""

import json
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodeprov.errors import NodeprovError, Problems
from nodeprov.hosts.base import Host
from nodeprov.inventory import Settings
from nodeprov.kubernetes.draining import (
    ENDING,
    FORBIDDEN,
    NOTHING_LOST,
    Allowed,
    NodePod,
    awaited,
    do_not_leave,
    drain_problems,
    have_not_ended,
    movable,
    node_pods,
    sandboxed,
)
from nodeprov.kubernetes.kubectl import forbidden_hint, kubectl

POLL_SECONDS = 0.3
WAIT_SECONDS = 5.0
"""How often it is looked at most, whether pods have ended that may take an hour."""


@dataclass(slots=True)
class Drainer:
    """Empties a node of pods: of the sandboxed ones, or of all but those that come back at once.

    `cordoned` means that a run before us has cordoned it.
    """

    host: Host
    settings: Settings
    node: str
    sleep: Callable[[float], None] = time.sleep
    cordoned: bool = field(default=False, kw_only=True)
    allowed: Allowed = field(default=NOTHING_LOST, kw_only=True)

    def cordon(self) -> None:
        """Have the cluster send no pods to the node, unless that is so already."""
        node = kubectl(self.settings.cluster).get_json(self.host, "node", self.node)
        if not node.get("spec", {}).get("unschedulable"):
            self.cordoned = True  # also where the answer does not reach us
            self._call("cordon", self.node)

    def wait(self, on_waiting: Callable[[str], None]) -> None:
        """Cordon the node, and wait until the pods that the settings choose have ended.

        `on_waiting` hears for whom, whenever these are others. Raises NodeprovError if they take too long and are
        not to be evicted then, or what is lost with one of them nobody has allowed to lose.
        """
        self.cordon()
        rollout, told, poll_seconds = self.settings.rollout, "", POLL_SECONDS
        deadline = time.monotonic() + rollout.wait_timeout_seconds
        while pods := awaited(self._pods(), self.settings):
            said = f"{len(pods)} pod{'' if len(pods) == 1 else 's'}: {', '.join(pod.name for pod in pods)}"
            if said != told:
                on_waiting(told := said)
            if time.monotonic() > deadline:
                self._took_too_long(pods)
                return
            self.sleep(min(poll_seconds, max(0.0, deadline - time.monotonic()) + POLL_SECONDS))
            poll_seconds = min(WAIT_SECONDS, 1.5 * poll_seconds)

    def _took_too_long(self, pods: tuple[NodePod, ...]) -> None:
        rollout, names = self.settings.rollout, tuple(pod.name for pod in pods)
        if rollout.wait_then == "fail":
            raise have_not_ended(names, self.settings, self.node)
        self._insist_on_losses(pods, whole=True)
        self._evict_until(names, self._awaited, rollout.drain_timeout_seconds)

    def _awaited(self) -> tuple[str, ...]:
        return tuple(pod.name for pod in awaited(self._pods(), self.settings))

    def drain(self, pods: tuple[str, ...], *, whole: bool = False) -> None:
        """Cordon the node, evict the pods, and those that came since, and wait until they are gone.

        Eviction respects PodDisruptionBudgets; raises NodeprovError if one forbids it for too long, or a pod came
        of which something would be lost that nobody has allowed to lose.
        """
        self.cordon()
        seconds = self.settings.rollout.drain_timeout_seconds if whole else self.settings.proof.timeout_seconds
        # Of a whole node also those that came since nothing was there.
        first = pods or (self._left(pods, whole=True) if whole else ())
        self._evict_until(first, lambda: self._left(pods, whole=whole), seconds)

    def _evict_until(self, names: tuple[str, ...], left: Callable[[], tuple[str, ...]], seconds: float) -> None:
        """Evict pods, and then those that are left, until none is; raise NodeprovError if that takes longer."""
        deadline = time.monotonic() + seconds
        while names:
            forbidden = [pod for pod in names if not self._evict(*pod.split("/"))]
            names = left()
            if names and time.monotonic() > deadline:
                why = {pod: FORBIDDEN if pod in forbidden else ENDING for pod in names}
                raise do_not_leave(why, self.node)
            self.sleep(POLL_SECONDS)

    def _left(self, pods: Collection[str], *, whole: bool) -> tuple[str, ...]:
        there = self._pods()
        found = movable(there) if whole else sandboxed(there, pods)
        self._insist_on_losses([pod for pod in found if pod.name not in pods], whole=whole)
        return tuple(pod.name for pod in found)

    def _insist_on_losses(self, pods: Sequence[NodePod], *, whole: bool) -> None:
        """Raise Problems if with one of these pods something would be lost that nobody has allowed to lose."""
        if problems := tuple(drain_problems(pods, self.allowed, self.node, whole=whole)):
            raise Problems(problems, where=self.node)

    def _pods(self) -> tuple[NodePod, ...]:
        return node_pods(self.host, self.settings, self.node)

    def uncordon(self) -> None:
        """Uncordon the node if it was us who cordoned it."""
        if self.cordoned:
            self._call("uncordon", self.node)

    def _evict(self, namespace: str, name: str) -> bool:
        """Ask for an eviction; return whether no PodDisruptionBudget forbids it now."""
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
        return not re.search("TooManyRequests|disruption budget", output.said)

    def _call(self, *arguments: str) -> str:
        return kubectl(self.settings.cluster).run(
            self.host, *arguments, doing=f"cannot {arguments[0]} {self.node}"
        )
