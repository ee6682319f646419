"""Who of several dispatchers leads: a Lease, taken and renewed as Kubernetes' own controllers do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from nodeprov.dispatch.api import Api, ApiError, Object
from nodeprov.errors import NodeprovError

LEASE = "nodeprov-dispatcher"
DURATION_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 15, 10.0, 2.0
"""As client-go has them: another one waits 15 s before it takes over, and who leads gives up after 10 s."""


class NotLeading(NodeprovError):
    """Another dispatcher leads, or may by now."""


class Leadership:
    """The Lease of a namespace, as one dispatcher sees it.

    A dispatcher whose renewals do not arrive stops to write 5 seconds before another one may begin. Times of other
    machines are not looked at: a Lease is abandoned when it has not changed for 15 seconds of our own.

    Attributes:
        holder: who had it when it was last looked at.
    """

    def __init__(
        self, api: Api, namespace: str, identity: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take part; `api` must not be patient, `identity` names this process among all others."""
        self.holder = ""
        self._api, self._identity, self._monotonic = api, identity, monotonic
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._namespace = namespace
        self._renewed: float | None = None
        self._seen: tuple[str, float] = ("", 0.0)

    @property
    def is_leading(self) -> bool:
        """Tell whether we lead, and no other one can think that it does."""
        return self._renewed is not None and self._monotonic() - self._renewed < RENEW_SECONDS

    def insist(self) -> None:
        """Raise NotLeading unless we lead."""
        if not self.is_leading:
            raise NotLeading(
                f"another dispatcher leads: {self.holder}" if self.holder else "the Lease could not be renewed",
                f"kubectl get lease {LEASE} --namespace {self._namespace}",
            )

    def attempt(self) -> bool:
        """Take the Lease, or renew it; tell whether we lead. Raises NodeprovError where the server refuses."""
        began = self._monotonic()
        found = self._api.find(f"{self._collection}/{LEASE}")
        if found is None:
            taken = self._try(lambda: self._api.create(self._collection, self._lease(None)))
        else:
            spec = found.get("spec") or {}
            self.holder = spec.get("holderIdentity") or ""
            version = found["metadata"]["resourceVersion"]
            if version != self._seen[0]:
                self._seen = (version, began)
            is_free = not self.holder or began - self._seen[1] >= spec.get("leaseDurationSeconds", 0)
            if self.holder != self._identity and not is_free:
                self._renewed = None
                return False
            taken = self._try(lambda: self._api.replace(f"{self._collection}/{LEASE}", self._lease(found)))
        self._renewed = began if taken else None
        self.holder = self._identity if taken else self.holder
        return taken

    def release(self) -> None:
        """Give it back, so that nobody has to wait."""
        self._renewed = None
        with suppress(NodeprovError):
            found = self._api.find(f"{self._collection}/{LEASE}")
            if found and found["spec"].get("holderIdentity") == self._identity:
                found["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                self._api.replace(f"{self._collection}/{LEASE}", found)

    def hold(self, stop: threading.Event, on_error: Callable[[NodeprovError], None]) -> None:
        """Take the Lease and renew it until it is stopped; then give it back."""
        while not stop.is_set():
            try:
                self.attempt()
            except NodeprovError as error:
                on_error(error)
            stop.wait(RETRY_SECONDS)
        self.release()

    def _try(self, write: Callable[[], Object]) -> bool:
        try:
            write()
        except ApiError as error:
            if error.status != 409:
                raise
            return False  # another one was faster
        return True

    def _lease(self, found: Object | None) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        before = (found or {}).get("spec") or {}
        is_ours = before.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": before.get("acquireTime", now) if is_ours else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (not is_ours),
        }
        metadata = (found or {}).get("metadata") or {"name": LEASE, "namespace": self._namespace}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
