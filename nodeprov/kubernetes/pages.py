"""Many objects of a cluster, read page by page: no answer is as large as the cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from nodeprov.errors import NodeprovError, taking_json_apart
from nodeprov.hosts.base import Output, Reader
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.reach import LONGEST_SECONDS, PAUSE_SECONDS, until_in_reach

PAGE = 500
"""Objects of a page, as kubectl asks for them itself."""
_EXPIRED = "(Expired)"
_MOST_BEGINNINGS = 5
"""So often a list is begun: etcd forgets a version after minutes, in which thousands of pages can be read."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects of version v1.

    Attributes:
        name: as an object has it, such as Deployment.
        resource: as kubectl names it, such as deployments.apps.
    """

    name: str
    resource: str

    @property
    def api_version(self) -> str:
        """Its API's group and version."""
        group = self.resource.partition(".")[2]
        return f"{group}/v1" if group else "v1"

    def path(self, namespace: str = "") -> str:
        """Where its objects are in the API: those of a namespace, or of all with ""."""
        api = f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"
        where = f"/namespaces/{namespace}" if namespace else ""
        return f"{api}{where}/{self.resource.partition('.')[0]}"


WORKLOADS = (
    Kind("Deployment", "deployments.apps"),
    Kind("StatefulSet", "statefulsets.apps"),
    Kind("DaemonSet", "daemonsets.apps"),
    Kind("ReplicaSet", "replicasets.apps"),
    Kind("ReplicationController", "replicationcontrollers"),
    Kind("CronJob", "cronjobs.batch"),
    Kind("Job", "jobs.batch"),
    Kind("Pod", "pods"),
)
"""The kinds that make pods, and pods."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects, and what asks for those after them; "" if they are the last."""

    items: Sequence[dict[str, Any]]
    after: str


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Ask for a page; `after` is what the page before it has said."""

    kubectl: Kubectl
    path: str
    after: str = ""

    @property
    def script(self) -> str:
        """Print it as the API server writes it, which is less than kubectl prints of the same."""
        asked = {"limit": PAGE, **({"continue": self.after} if self.after else {})}
        return self.kubectl.line("get", "--raw", f"{self.path}?{urlencode(asked)}")

    def parse(self, output: Output) -> Page:
        """Understand what kubectl printed."""
        self.kubectl.insist(output, f"{self.path} cannot be read", where="")
        with taking_json_apart():
            found = json.loads(output.stdout)
            return Page(found["items"] or [], str(found["metadata"].get("continue") or ""))


def objects(
    reader: Reader,
    kubectl: Kubectl,
    kind: Kind,
    namespace: str = "",
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Read the objects of a kind, without who has written which of their fields.

    Raises NodeprovError if that fails. A list that the cluster has forgotten while it was read is begun again, and
    each object comes once.
    """
    seen, after, beginnings = set[str](), "", 1
    while True:
        try:
            page = _page(reader, PageQuery(kubectl, kind.path(namespace), after), sleep)
        except NodeprovError as error:
            if _EXPIRED not in error.message or not after or beginnings == _MOST_BEGINNINGS:
                raise
            after, beginnings = "", beginnings + 1
            continue
        with taking_json_apart():
            for item in page.items:
                metadata = item["metadata"]
                if metadata["uid"] not in seen:
                    seen.add(metadata["uid"])
                    metadata.pop("managedFields", None)
                    yield {**item, "apiVersion": kind.api_version, "kind": kind.name}
        if not page.after:
            return
        after = page.after


def _page(reader: Reader, query: PageQuery, sleep: Callable[[float], None]) -> Page:
    """Read a page; one after the first is asked for again where the API server is out of reach for a moment."""
    deadline = time.monotonic() + (LONGEST_SECONDS if query.after else 0)
    page: Page = until_in_reach(lambda: reader.ask([query])[0], deadline, lambda: sleep(PAUSE_SECONDS))
    return page
