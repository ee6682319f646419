"""The workloads of a cluster, as the API server lists them."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes import pages
from nodeprov.kubernetes.trials.live_workloads import KINDS, read_workloads
from nodeprov.workloads.meets import met
from tests.support.listed import EXPIRED, Cluster

SPEC = {"containers": [{"name": "a", "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]}]}


def made(kind: str, name: str, owner: str = "", **spec: Any) -> dict[str, Any]:
    owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
    whole = {**SPEC, **spec}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "uid": f"{kind}-{name}", "namespace": "shop", "ownerReferences": owners},
        "spec": whole if kind == "Pod" else {"template": {"spec": whole}},
    }


def titles(cluster: Cluster, namespace: str = "") -> list[str]:
    return [each.title for each in read_workloads(cluster, ClusterSettings(), namespace).workloads]


def test_each_kind_is_asked_for_by_itself_of_one_namespace_or_of_all() -> None:
    cluster = Cluster(made("Pod", "alone"))
    titles(cluster)
    assert {"/api/v1/pods", "/apis/apps/v1/deployments", "/apis/batch/v1/cronjobs"} < {*cluster.asked}
    assert len(cluster.asked) == len(KINDS)
    cluster.asked.clear()
    titles(cluster, "shop")
    assert {"/api/v1/namespaces/shop/pods", "/apis/apps/v1/namespaces/shop/deployments"} < {*cluster.asked}


def test_one_that_is_always_forgotten_is_named_and_the_rest_is_read() -> None:
    pods = [made("Pod", f"p{each}") for each in range(5)]
    cluster = Cluster(*pods, made("Deployment", "web"), refused={"/api/v1/pods 2": EXPIRED})
    read = read_workloads(cluster, ClusterSettings())
    assert [each.title for each in read.workloads] == ["Deployment shop/web"]
    (error,) = read.errors
    assert error.message.startswith("pods are not checked: ")


def test_a_kind_that_may_not_be_read_is_named_and_the_rest_is_read() -> None:
    said = 'Error from server (Forbidden): jobs.batch is forbidden: User "ann" cannot list resource "jobs"'
    read = read_workloads(Cluster(made("Pod", "alone"), refused={"/apis/batch/v1/jobs": said}), ClusterSettings())
    assert [each.title for each in read.workloads] == ["Pod shop/alone"]
    (error,) = read.errors
    assert error.message.startswith("jobs.batch are not checked: ")
    assert error.hint == "whether you may list them: kubectl auth can-i list jobs.batch -A"


def test_what_another_one_makes_is_left_out() -> None:
    cluster = Cluster(
        made("Deployment", "web"),
        made("ReplicaSet", "web-1", "Deployment"),
        made("Pod", "web-1-a", "ReplicaSet"),
        made("Pod", "mirror", "Node"),
        made("Pod", "of-another-kind", "Rollout"),
        made("Pod", "alone"),
    )
    assert titles(cluster) == [
        "Deployment shop/web",
        "Pod shop/mirror",
        "Pod shop/of-another-kind",
        "Pod shop/alone",
    ]


def test_what_the_api_server_fills_in_is_nobodys_wish() -> None:
    token = {"name": "kube-api-access-x1", "projected": {"sources": []}}
    mounts = [{"name": "kube-api-access-x1", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    container = {**SPEC["containers"][0], "volumeMounts": mounts}
    cluster = Cluster(made("Pod", "alone", containers=[container], volumes=[token]))
    (found,) = read_workloads(cluster, ClusterSettings()).workloads
    assert met(found) == []


def test_a_cluster_that_cannot_be_read_is_said() -> None:
    said = 'pods is forbidden: User "ann" cannot list resource "pods"'
    paths = [each.path("shop") for each in pages.WORKLOADS]
    with pytest.raises(NodeprovError, match="the workloads of namespace shop cannot be read"):
        read_workloads(Cluster(refused=dict.fromkeys(paths, said)), ClusterSettings(), "shop")
    with pytest.raises(NodeprovError, match="there are no workloads in namespace shop"):
        read_workloads(Cluster(), ClusterSettings(), "shop")
