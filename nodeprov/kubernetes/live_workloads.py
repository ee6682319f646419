"""The workloads of a cluster: what makes pods, and pods that nothing makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, json_object, taking_json_apart
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.kubectl import Kubectl, kubectl
from nodeprov.workloads.pods import Workload, workloads_of

KINDS = {
    "Deployment": "deployments.apps",
    "StatefulSet": "statefulsets.apps",
    "DaemonSet": "daemonsets.apps",
    "ReplicaSet": "replicasets.apps",
    "ReplicationController": "replicationcontrollers",
    "CronJob": "cronjobs.batch",
    "Job": "jobs.batch",
    "Pod": "pods",
}
"""The kinds that are read, as kubectl names them."""


@dataclass(frozen=True, slots=True)
class WorkloadsQuery:
    """Ask for the workloads of a namespace, or of all with "", in one call, without those that others make."""

    kubectl: Kubectl
    namespace: str = ""

    @property
    def script(self) -> str:
        """Print all objects of the kinds as one list."""
        where = ("--namespace", self.namespace) if self.namespace else ("--all-namespaces",)
        return self.kubectl.line("get", ",".join(KINDS.values()), *where, "-o", "json")

    def parse(self, output: Output) -> list[Workload]:
        """Understand what kubectl printed."""
        doing = (
            f"the workloads of {f'namespace {self.namespace}' if self.namespace else 'the cluster'} cannot be read"
        )
        self.kubectl.insist(output, doing, where="")
        with taking_json_apart():
            items = json_object(output.text)["items"]
            return [*workloads_of(each for each in items if not _is_made_by_another(each))]


def _is_made_by_another(item: Mapping[str, Any]) -> bool:
    """Tell whether something that is read too makes it, whose template it has: of most pods that is so."""
    owners = item["metadata"].get("ownerReferences") or ()
    return any(each["kind"] in KINDS and each.get("controller") is True for each in owners)


def read_workloads(reader: Reader, settings: ClusterSettings, namespace: str = "") -> list[Workload]:
    """Read workloads; raise NodeprovError if that cannot be, or a namespace has none."""
    found: list[Workload] = reader.ask([WorkloadsQuery(kubectl(settings), namespace)])[0]
    if not found:
        where = f"namespace {namespace}" if namespace else "the cluster"
        raise NodeprovError(f"there are no workloads in {where}", "kubectl get namespaces")
    return found
