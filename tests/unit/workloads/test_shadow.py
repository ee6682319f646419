"""What a workload's shadow has, and what is left out of it, as it would reach beyond the trial."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from nodeprov.workloads.shadow import Wanted, pod, shadow

CONTAINER = {
    "name": "web",
    "image": "nginx",
    "ports": [{"containerPort": 80, "hostPort": 8080}],
    "lifecycle": {"preStop": {"exec": {"command": ["deregister"]}}, "postStart": {"exec": {"command": ["x"]}}},
    "env": [
        {"name": "PLAIN", "value": "1"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "web"}}, {"secretRef": {"name": "tokens"}}],
    "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "claimed", "mountPath": "/claimed"}],
}
VOLUMES: list[dict[str, Any]] = [
    {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    {"name": "config", "configMap": {"name": "web"}},
    {"name": "keys", "secret": {"secretName": "keys"}},
    {"name": "node", "hostPath": {"path": "/srv"}},
    {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
]
DEPLOYMENT = {
    "kind": "Deployment",
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
            "spec": {"containers": [CONTAINER], "volumes": VOLUMES, "nodeName": "x", "hostname": "web"},
        }
    },
}


def test_no_pod_of_others_is_evicted_for_it() -> None:
    spec = {"containers": [{"name": "a"}], "priorityClassName": "high", "priority": 1000, "preemptionPolicy": "X"}
    made = shadow({"kind": "Pod", "spec": spec}, Wanted(volumes=True, secrets=True))
    assert not {"priorityClassName", "priority", "preemptionPolicy"} & {*made.spec}
    assert made.left_out == ["its priority: no pod of others is evicted for a trial"]
    assert shadow({"kind": "Pod", "spec": {"containers": [{"name": "a"}], "priority": 0}}, Wanted()).left_out == []


def test_nothing_of_others_is_touched_unless_it_is_asked_for() -> None:
    before = copy.deepcopy(DEPLOYMENT)
    made = shadow(DEPLOYMENT, Wanted())
    assert before == DEPLOYMENT
    (container,) = made.spec["containers"]
    assert container["ports"] == [{"containerPort": 80}]
    assert [*container["lifecycle"]] == ["postStart"]
    assert container["env"] == [{"name": "PLAIN", "value": "1"}]
    assert container["envFrom"] == [{"configMapRef": {"name": "web"}}]
    kinds = {each["name"]: next(key for key in each if key != "name") for each in made.spec["volumes"]}
    assert kinds == {
        **dict.fromkeys(("data", "keys", "node", "token", "claimed"), "emptyDir"),
        "config": "configMap",
    }
    assert made.spec["automountServiceAccountToken"] is False
    assert not {"nodeName", "hostname"} & {*made.spec}
    assert len(made.left_out) == 9


def test_what_is_asked_for_is_there() -> None:
    made = shadow(DEPLOYMENT, Wanted(volumes=True, secrets=True))
    assert made.spec["volumes"] == [*VOLUMES, {"name": "claimed", "emptyDir": {}}]
    assert len(made.spec["containers"][0]["env"]) == 2
    assert "automountServiceAccountToken" not in made.spec
    assert made.left_out == [
        "web: port 8080 of the node",
        "web: its preStop hook",
        "volume claimed (a claim of its own): an empty folder is there",
    ]


@pytest.mark.parametrize("path", [(), ("spec", "template"), ("spec", "jobTemplate", "spec", "template")])
def test_the_pod_is_found_in_each_kind(path: tuple[str, ...]) -> None:
    kind = {0: "Pod", 2: "StatefulSet", 4: "CronJob"}[len(path)]
    value: Any = {"spec": {"containers": [{"name": "a"}]}}
    for name in reversed(path):
        value = {name: value}
    assert shadow({**value, "kind": kind}, Wanted()).spec["containers"] == [{"name": "a"}]


def test_the_pod_has_none_of_the_workloads_labels_and_ends_on_its_own() -> None:
    made = shadow(DEPLOYMENT, Wanted())
    value = pod(made, {"name": "try-1", "labels": {"ours": "1"}}, placed={"nodeName": "worker1"}, seconds=60)
    assert value["metadata"] == {"name": "try-1", "labels": {"ours": "1"}, "annotations": {"a": "b"}}
    assert (value["spec"]["nodeName"], value["spec"]["activeDeadlineSeconds"]) == ("worker1", 60)
