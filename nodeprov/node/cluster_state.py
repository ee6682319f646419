"""What is known of the cluster, for one node of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What a decision needs of the cluster; `node` and `runtime_class` are None where it has no such object."""

    context: str
    server: str
    node: Mapping[str, Any] | None
    runtime_class: Mapping[str, Any] | None
    labelled: tuple[str, ...]
    """The nodes that have our label."""

    @property
    def is_cordoned(self) -> bool:
        """Whether no pod is sent to the node."""
        return bool(((self.node or {}).get("spec") or {}).get("unschedulable"))

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's labels."""
        labels: Mapping[str, str] = (self.node or {}).get("metadata", {}).get("labels", {})
        return labels

    @property
    def handlers(self) -> tuple[str, ...] | None:
        """The runtime handlers that the node's kubelet reports; None before Kubernetes 1.30."""
        return handlers(self.node)


def handlers(node: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Name the runtime handlers that a node's kubelet reports; None before Kubernetes 1.30."""
    reported = (node or {}).get("status", {}).get("runtimeHandlers")
    return None if reported is None else tuple(each.get("name", "") for each in reported)
