"""The cluster sends sandboxed pods to this node, and only to nodes like it."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.cluster import ClusterFacts
from nodeprov.scheduling import wanted_runtime_class
from nodeprov.verification import Subject


@pytest.fixture
def cluster(subject: Subject) -> ClusterFacts:
    """Give a check what is known of the cluster."""
    if subject.cluster is None:
        pytest.skip("[cluster] enabled is false")
    return subject.cluster


@pytest.fixture
def runtime_class(subject: Subject, cluster: ClusterFacts) -> dict[str, Any]:
    """Give a check the RuntimeClass."""
    name = subject.settings.runtime_class.name
    assert cluster.runtime_class is not None, f"there is no RuntimeClass {name}: run nodeprov install"
    return dict(cluster.runtime_class)


def check_label(subject: Subject, cluster: ClusterFacts) -> None:
    """The node has the label that sandboxed pods ask for."""
    label = subject.settings.label
    found = (cluster.node or {}).get("metadata", {}).get("labels", {}).get(label.key)
    assert found == label.value, f"the label {label.key} is {found!r}, not {label.value!r}: run nodeprov install"


def check_runtime_class_handler(subject: Subject, runtime_class: dict[str, Any]) -> None:
    """The RuntimeClass names our handler."""
    assert runtime_class["handler"] == subject.layout.handler, f"its handler is {runtime_class['handler']!r}"


def check_runtime_class_overhead(subject: Subject, runtime_class: dict[str, Any]) -> None:
    """The RuntimeClass accounts for the sandbox's own memory and CPU."""
    wanted = wanted_runtime_class(subject.settings).value.get("overhead")
    found = runtime_class.get("overhead")
    assert found == wanted, f"its overhead is {found}, not {wanted}: run nodeprov install"


def check_runtime_class_scheduling(subject: Subject, runtime_class: dict[str, Any]) -> None:
    """The RuntimeClass sends its pods to labelled nodes only."""
    wanted = wanted_runtime_class(subject.settings).value["scheduling"]
    found = runtime_class.get("scheduling")
    assert found == wanted, f"its scheduling is {found}, not {wanted}: run nodeprov install"


def check_reported_handler(subject: Subject, cluster: ClusterFacts) -> None:
    """The node's kubelet reports the handler (Node.status.runtimeHandlers)."""
    if cluster.handlers is None:
        pytest.skip("this Kubernetes does not report runtime handlers (1.30 and later do)")
    assert subject.layout.handler in cluster.handlers, f"it reports {cluster.handlers} only"
