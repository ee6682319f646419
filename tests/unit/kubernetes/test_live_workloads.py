"""The workloads of a cluster, as kubectl prints them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.live_workloads import WorkloadsQuery
from nodeprov.workloads.meets import met

OF_ALL, OF_ONE = WorkloadsQuery(Kubectl()), WorkloadsQuery(Kubectl(), "shop")
SPEC = {"containers": [{"name": "a", "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]}]}


def made(kind: str, name: str, owner: str = "", **spec: Any) -> dict[str, Any]:
    owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
    whole = {**SPEC, **spec}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners},
        "spec": whole if kind == "Pod" else {"template": {"spec": whole}},
    }


def printed(*objects: dict[str, Any]) -> Output:
    return Output(0, json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode(), b"")


def test_it_is_one_call_of_one_namespace_or_of_all() -> None:
    assert "--all-namespaces" in OF_ALL.script
    assert "--namespace shop" in OF_ONE.script
    assert OF_ALL.script.count("kubectl") == 1


def test_what_another_one_makes_is_left_out() -> None:
    found = OF_ALL.parse(
        printed(
            made("Deployment", "web"),
            made("ReplicaSet", "web-1", "Deployment"),
            made("Pod", "web-1-a", "ReplicaSet"),
            made("Pod", "mirror", "Node"),
            made("Pod", "of-another-kind", "Rollout"),
            made("Pod", "alone"),
        )
    )
    assert [each.title for each in found] == [
        "Deployment shop/web",
        "Pod shop/mirror",
        "Pod shop/of-another-kind",
        "Pod shop/alone",
    ]


def test_what_the_api_server_fills_in_is_nobodys_wish() -> None:
    token = {"name": "kube-api-access-x1", "projected": {"sources": []}}
    mounts = [{"name": "kube-api-access-x1", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    container = {**SPEC["containers"][0], "volumeMounts": mounts}
    (found,) = OF_ALL.parse(printed(made("Pod", "alone", containers=[container], volumes=[token])))
    assert met(found) == []


def test_a_cluster_that_cannot_be_read_is_said() -> None:
    with pytest.raises(NodeprovError, match="the workloads of namespace shop cannot be read"):
        OF_ONE.parse(Output(1, b"", b'pods is forbidden: User "ann" cannot list resource "pods"'))
