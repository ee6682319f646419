"""What the cluster believes of a node, beside what its receipts say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodeprov.diagnosis.cluster_differences import cluster_differences
from nodeprov.diagnosis.difference import Difference, Truth
from nodeprov.inventory import RuntimeClassSettings
from nodeprov.kubernetes.runtime_class import wanted_runtime_class
from nodeprov.node.state import ClusterState
from nodeprov.states import LabelState, ObjectState, State
from tests.support.samples import node
from tests.support.situations import LABEL, LABEL_KEY, TOGETHER

MEND = "nodeprov install worker1"
CLASS_KEY = f"runtimeclass:{TOGETHER.runtime_class.name}"
HELD: dict[str, State | None] = {LABEL_KEY: LabelState("true"), CLASS_KEY: wanted_runtime_class(TOGETHER)}


def the_class(**fields: Any) -> dict[str, Any]:
    """The RuntimeClass as the cluster has it."""
    value = wanted_runtime_class(TOGETHER).value
    labels = value.pop("labels")
    return {"kind": "RuntimeClass", "metadata": {"name": "gvisor", "labels": labels}, **value, **fields}


def cluster(**changes: Any) -> ClusterState:
    """A cluster in which all is as it was installed."""
    found = {
        "metadata": {"name": "worker1", "labels": {LABEL: "true"}},
        "status": {"runtimeHandlers": [{"name": ""}, {"name": "runc"}, {"name": "runsc"}]},
    }
    return replace(ClusterState("c", "https://master", found, the_class(), ("worker1",)), **changes)


def differences(found: ClusterState, held: dict[str, State | None] | None = None) -> list[Difference]:
    return list(cluster_differences(node(TOGETHER), found, HELD if held is None else held, MEND))


def labels(**values: str) -> dict[str, Any]:
    return {**(cluster().node or {}), "metadata": {"name": "worker1", "labels": values}}


def handlers(*names: str) -> dict[str, Any]:
    return {**(cluster().node or {}), "status": {"runtimeHandlers": [{"name": name} for name in names]}}


def test_a_cluster_that_has_what_was_installed_differs_in_nothing() -> None:
    assert differences(cluster()) == []


def test_before_kubernetes_1_30_no_node_reports_handlers_and_that_is_no_difference() -> None:
    assert differences(cluster(node={**(cluster().node or {}), "status": {}})) == []
    assert differences(cluster(node=handlers())) == []


def test_what_another_node_s_run_has_given_the_runtime_class_by_the_settings_is_no_difference() -> None:
    earlier = replace(TOGETHER, runtime_class=RuntimeClassSettings(overhead={"cpu": "1"}))
    held = {**HELD, CLASS_KEY: wanted_runtime_class(earlier)}
    assert differences(cluster(), held) == []


GONE = {
    "the node": (cluster(node=None), "the cluster has no node worker1", "get nodes"),
    "the label": (cluster(node=labels()), f"the label {LABEL} is gone", MEND),
    "its value": (cluster(node=labels(**{LABEL: "no"})), f"the label {LABEL} is 'no', not 'true'", MEND),
    "the RuntimeClass": (cluster(runtime_class=None), "RuntimeClass gvisor is gone", MEND),
    "its handler": (cluster(runtime_class=the_class(handler="runc")), "has another handler than", MEND),
    "its overhead": (cluster(runtime_class=the_class(overhead={})), "has another overhead than", MEND),
    "its scheduling": (cluster(runtime_class=the_class(scheduling={})), "has another scheduling than", MEND),
    "the handler": (cluster(node=handlers("runc")), "kubelet does not report the handler runsc", "journalctl"),
}


@pytest.mark.parametrize("what", GONE)
def test_what_the_cluster_has_no_more_is_said_with_what_mends_it(what: str) -> None:
    found, said, mend = GONE[what]
    (only,) = differences(found)
    assert only.truth is Truth.CLUSTER
    assert said in only.said
    assert mend in only.mend


def test_a_label_that_sends_pods_to_a_node_without_the_runtime_is_a_difference() -> None:
    (only,) = differences(cluster(), {})
    assert "has the label" in only.said
    assert "cannot start" in only.cause
    assert f"{LABEL}-" in only.mend
    assert differences(cluster(node=labels()), {}) == []


def test_what_no_receipt_names_is_not_held_against_the_cluster() -> None:
    """A RuntimeClass of other settings, or one that a receipt says is to be absent."""
    held: dict[str, State | None] = {LABEL_KEY: LabelState("true"), "runtimeclass:other": ObjectState.of({})}
    assert differences(cluster(runtime_class=None), held) == []
