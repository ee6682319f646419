"""The RuntimeClass: what is wanted, and what kubectl is given for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import Label, RuntimeClassSettings, RuntimeSettings, Settings
from nodeprov.kubernetes import runtime_class
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.runtime_class import MANAGED_BY, declared_fields, wanted_runtime_class
from nodeprov.kubernetes.scheduling import NodeLabel, cluster_goals, cluster_states
from nodeprov.plan.goal import decide
from nodeprov.states import LabelState, ObjectState
from tests.support.clusters import KEY, THEIRS, WANTED, class_json, facts, labelled_node, node, ours, stub
from tests.support.samples import settings


def test_only_the_fields_that_we_declare_are_compared() -> None:
    existing = class_json(
        labels={**MANAGED_BY, "team": "a"}, overhead={"podFixed": {"cpu": "50m"}}, scheduling={"nodeSelector": {}}
    )
    existing["metadata"]["annotations"] = {"x": "y"}
    assert declared_fields(existing).value == {
        "handler": "runsc",
        "overhead": {"podFixed": {"cpu": "50m"}},
        "scheduling": {"nodeSelector": {}},
        "labels": MANAGED_BY,
    }


def test_a_field_that_is_not_set_is_not_declared() -> None:
    bare = {"metadata": {"name": "gvisor"}, "handler": "runsc", "overhead": None}
    assert declared_fields(bare).value == {"handler": "runsc", "labels": {}}


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (
            WANTED,
            {
                "handler": "runsc",
                "overhead": {"podFixed": {"memory": "64Mi", "cpu": "50m"}},
                "scheduling": {"nodeSelector": {KEY: "true"}},
                "labels": MANAGED_BY,
            },
        ),
        (
            settings(
                runtime=RuntimeSettings(handler="runsc-kvm"),
                label=Label("example.com/kvm", "yes"),
                runtime_class=RuntimeClassSettings(
                    overhead={},
                    tolerations=({"key": "a", "operator": "Exists"},),
                    node_selector={"disk": "ssd"},
                ),
            ),
            {
                "handler": "runsc-kvm",
                "scheduling": {
                    "nodeSelector": {"example.com/kvm": "yes", "disk": "ssd"},
                    "tolerations": [{"key": "a", "operator": "Exists"}],
                },
                "labels": MANAGED_BY,
            },
        ),
    ],
    ids=["defaults", "everything-said"],
)
def test_the_runtime_class_is_what_the_settings_say(wanted: Settings, value: dict[str, Any]) -> None:
    assert wanted_runtime_class(wanted).value == value


def test_a_runtime_class_as_we_made_it_is_a_reached_goal() -> None:
    cluster = facts(node({KEY: "true"}), ours(), ("worker1",))
    goals = cluster_goals(WANTED, "worker1")
    assert decide(goals, cluster_states(cluster, goals)) == ()


def test_a_quantity_is_the_same_however_it_is_spelled() -> None:
    """The API server answers 50m for 0.05, and 1Gi for 1024Mi."""
    wanted = settings(runtime_class=RuntimeClassSettings(overhead={"cpu": "0.05", "memory": "1024Mi"}))
    shown = {**wanted_runtime_class(wanted).value, "overhead": {"podFixed": {"cpu": "50m", "memory": "1Gi"}}}
    cluster = facts(node({KEY: "true"}), class_json(**shown), ("worker1",))
    goals = cluster_goals(wanted, "worker1")
    assert decide(goals, cluster_states(cluster, goals)) == ()


def test_what_is_empty_in_a_toleration_is_left_out_as_the_api_server_does() -> None:
    toleration = {"key": "a", "operator": "Exists", "value": "", "effect": ""}
    wanted = settings(runtime_class=RuntimeClassSettings(tolerations=(toleration,)))
    scheduling = wanted_runtime_class(wanted).value["scheduling"]
    assert scheduling["tolerations"] == [{"key": "a", "operator": "Exists"}]


def test_a_runtime_class_that_was_there_gets_our_fields_and_not_our_mark() -> None:
    cluster = facts(existing=class_json(overhead={"podFixed": {"memory": "1Mi"}}))
    (_, change) = decide(
        cluster_goals(WANTED, "worker1"), cluster_states(cluster, cluster_goals(WANTED, "worker1"))
    )
    assert isinstance(change.after, ObjectState)
    assert change.after.value == {**wanted_runtime_class(WANTED).value, "labels": {}}


def written(folder: Any, live: Mapping[str, Any] | None, state: ObjectState) -> tuple[str, dict[str, Any]]:
    """Write a RuntimeClass over one that is there, or none; return kubectl's verb and what it was given."""
    (folder / "live").write_text(json.dumps(live) if live else "")
    body = f'case "$1" in get) cat {folder}/live ;; *) echo "$1" >> {folder}/verb; tee {folder}/stdin ;; esac'
    found = runtime_class.of(stub(folder, body), "worker1").written(LocalHost(), state if live else None, state)
    assert found == state
    value: dict[str, Any] = json.loads((folder / "stdin").read_text())
    return (folder / "verb").read_text().strip(), value


def test_a_runtime_class_that_is_not_there_is_created_with_our_mark(tmp_path: Any) -> None:
    verb, value = written(tmp_path, None, wanted_runtime_class(WANTED))
    assert verb == "create"
    assert value == {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor", "labels": MANAGED_BY},
        "handler": "runsc",
        "overhead": {"podFixed": {"memory": "64Mi", "cpu": "50m"}},
        "scheduling": {"nodeSelector": {KEY: "true"}},
    }


def test_a_runtime_class_that_is_there_gets_our_fields_and_keeps_the_others(tmp_path: Any) -> None:
    live = class_json(labels={"team": "a"}, overhead={"podFixed": {"cpu": "1"}}, scheduling={"tolerations": []})
    live["metadata"] |= {"resourceVersion": "7", "annotations": {"x": "y"}}
    wanted = ObjectState.of({**wanted_runtime_class(WANTED).value, "labels": {}})
    verb, value = written(tmp_path, live, wanted)
    assert verb == "replace"
    assert value["metadata"] == live["metadata"]
    assert declared_fields(value) == wanted


def test_a_field_that_was_not_there_before_is_taken_out_again(tmp_path: Any) -> None:
    _, value = written(tmp_path, ours(), THEIRS)
    assert declared_fields(value) == THEIRS
    assert "overhead" not in value


def test_our_runtime_class_is_deleted(tmp_path: Any) -> None:
    wanted = stub(tmp_path, f"""echo "$*" >> {tmp_path}/calls; echo '{{"items": []}}'""")
    runtime_class.of(wanted, "worker1").write(LocalHost(), None)
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"get nodes -l {KEY}=true -o json",
        "delete runtimeclass gvisor --ignore-not-found",
    ]


@pytest.mark.parametrize(
    ("labelled", "is_deleted"),
    [
        ({}, True),
        ({"worker1": ["runsc"]}, True),
        ({"worker2": ["runc", "runsc"]}, False),
        ({"worker1": ["runsc"], "worker2": None}, False),
        ({"worker1": ["runsc"], "worker2": ["runc", "runsc-kvm"]}, True),
        ({"worker3": ["runsc"]}, True),
    ],
    ids=["none", "this one", "another", "one that reports nothing", "another handler's", "one that is leaving"],
)
def test_a_runtime_class_that_another_node_came_to_need_is_not_deleted(
    tmp_path: Any, labelled: Mapping[str, list[str] | None], is_deleted: bool
) -> None:
    (tmp_path / "nodes").write_text(json.dumps({"items": [labelled_node(*each) for each in labelled.items()]}))
    body = f"""echo "$1" >> {tmp_path}/calls; [ "$1" != get ] || cat {tmp_path}/nodes"""
    runtime_class.of(stub(tmp_path, body), "worker1", ("worker3",)).write(LocalHost(), None)
    assert (tmp_path / "calls").read_text().split() == ["get", *(["delete"] if is_deleted else [])]


def test_a_write_that_kubectl_refuses_says_what_was_being_done(tmp_path: Any) -> None:
    wanted = stub(tmp_path, "echo 'forbidden: no rights' >&2; exit 1")
    with pytest.raises(NodeprovError, match="cannot label worker1: exit status 1: forbidden: no rights"):
        NodeLabel(kubectl(wanted.cluster), "worker1", KEY).write(LocalHost(), LabelState("true"))
    with pytest.raises(NodeprovError, match="cannot delete RuntimeClass gvisor"):
        runtime_class.of(wanted, "worker1").write(LocalHost(), None)
    wanted = stub(tmp_path, "[ $1 = get ] || { echo 'the object has been modified' >&2; exit 1; }")
    with pytest.raises(NodeprovError, match="cannot create RuntimeClass gvisor: exit status 1: the object has"):
        runtime_class.of(wanted, "worker1").write(LocalHost(), wanted_runtime_class(WANTED))
