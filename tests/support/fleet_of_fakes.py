"""Nodes that KWOK plays, and dispatchers that change them, on a real API server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from nodeprov.dispatch.access import Access
from nodeprov.dispatch.actor import Told
from nodeprov.dispatch.api import Api, Object
from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.lease import Leadership
from nodeprov.dispatch.marks import Last
from nodeprov.dispatch.surroundings import Surroundings
from nodeprov.dispatch.views import NodeView
from nodeprov.dispatch.wanted import Wanted
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.pod import NAMESPACE
from nodeprov.runtimes import FAMILY
from tests.support.control_plane import ControlPlane, fake_node
from tests.support.dispatching import IN_POOL, INVENTORY, wanted

LABEL = "nodeprov.node-restriction.kubernetes.io/gvisor"
NODES, PODS = "/api/v1/nodes", f"/api/v1/namespaces/{NAMESPACE}/pods"
PROOFS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


class Killed(BaseException):
    """Stands for SIGKILL: no handler of errors sees it."""


class KilledAt:
    """Ends a dispatcher at its nth write, before or after the server has it."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.writes = 0
        self._changing = threading.Lock()

    def __call__(self) -> None:
        with self._changing:
            self.writes += 1
            self.left -= 1
            if self.left < 0:
                raise Killed


class Stubborn(Leadership):
    """A dispatcher that believes to lead whatever happens, as one whose clock stands still."""

    is_leading = True


class Fakes:
    """A cluster of fakes."""

    def __init__(self, plane: ControlPlane, stop: threading.Event) -> None:
        self.plane, self.stop = plane, stop
        self.api = Api(plane.access)
        self.told: list[Told] = []
        self.errors: list[NodeprovError] = []
        self.waits: list[tuple[str, str]] = []
        self.faults: list[tuple[str, str]] = []
        for namespace in (NAMESPACE, "default"):
            self._end(namespace)
            self._have("/api/v1/namespaces", {"metadata": {"name": namespace}})
            accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
            self._have(accounts, {"metadata": {"name": "default"}})

    def _end(self, namespace: str) -> None:
        """Let a namespace go that was deleted, in place of the controller that no cluster without nodes has."""
        value = self.api.find(f"/api/v1/namespaces/{namespace}")
        if value and "deletionTimestamp" in value["metadata"]:
            self.api.replace(f"/api/v1/namespaces/{namespace}/finalize", {**value, "spec": {"finalizers": []}})

    def _have(self, path: str, value: Object) -> None:
        if self.api.find(f"{path}/{value['metadata']['name']}") is None:
            self.api.create(path, value)

    def add(self, *names: str, labels: dict[str, str] | None = None, **fields: Any) -> None:
        for name in names:
            self.api.create(NODES, fake_node(name, labels=IN_POOL if labels is None else labels, **fields))

    def node(self, name: str) -> NodeView:
        return NodeView.of(self.api.get(f"{NODES}/{name}"))

    def last(self, name: str) -> Last | None:
        return self.node(name).last

    def labelled(self) -> list[str]:
        found = self.api.get(NODES, labelSelector=f"{LABEL}=true")["items"]
        return sorted(each["metadata"]["name"] for each in found)

    def pods(self) -> list[str]:
        found = [each for path in (PODS, PROOFS) for each in self.api.get(path)["items"]]
        return [each["metadata"]["name"] for each in found]

    def events(self) -> list[str]:
        return [each["message"] for each in self.api.get(EVENTS)["items"] if each["reason"] == "NodeprovFailed"]

    def dispatcher(
        self,
        wish: Wanted | None = None,
        *,
        identity: str = "one",
        access: Access | None = None,
        before_write: Callable[[], None] = lambda: None,
        stop: threading.Event | None = None,
        leadership: type[Leadership] = Leadership,
    ) -> Dispatcher:
        """Make a dispatcher that leads as soon as it may."""
        stop = stop or self.stop
        access = access or self.plane.access
        lease = leadership(Api(access, patience_seconds=0, timeout_seconds=5), NAMESPACE, identity)

        def insist() -> None:
            lease.insist()
            before_write()

        threading.Thread(target=lease.hold, args=(stop, self.errors.append), daemon=True).start()
        around = self.around(stop, identity)
        return Dispatcher(Api(access, before_write=insist), lease, wish or wanted(), around)

    def around(self, stop: threading.Event, identity: str = "one") -> Surroundings:
        """Hand a dispatcher who it is, what ends it, and listeners that write all down."""
        return Surroundings(
            NAMESPACE,
            identity,
            FAMILY.kernel_line,
            on_told=self.told.append,
            on_wait=lambda node, why: self.waits.append((node, why)),
            on_error=self.errors.append,
            on_fault=lambda node, traceback: self.faults.append((node, traceback)),
            stop=stop,
        )

    def run(self, wish: Wanted | None = None, **options: Any) -> Dispatcher:
        """Dispatch until nothing is left to be done."""
        stop = threading.Event()
        found = self.dispatcher(wish, stop=stop, **options)
        try:
            found.run(once=True)
        finally:
            stop.set()
            self.release()
        return found

    def release(self) -> None:
        self.api.delete(f"{LEASES}/nodeprov-dispatcher")

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, (self.told, self.errors)
            time.sleep(0.05)

    def clear(self) -> None:
        """Remove what a test has made."""
        self.stop.set()
        for path in (PODS, PROOFS, EVENTS, NODES, LEASES, "/apis/node.k8s.io/v1/runtimeclasses"):
            self.api._call("DELETE", path, {}, {"gracePeriodSeconds": 0})


def inventory(**rollout: Any) -> str:
    lines = [
        f"{key} = {value!r}".replace("'", '"').replace("True", "true").replace("False", "false")
        for key, value in rollout.items()
    ]
    return "\n".join([INVENTORY, "[rollout]", *lines, ""])
