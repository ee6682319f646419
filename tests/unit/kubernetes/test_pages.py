"""Lists that are read page by page."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.kubernetes import pages
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.pages import Kind, PageQuery, objects
from tests.support.listed import EXPIRED, Cluster

PODS = Kind("Pod", "pods")
AWAY = "Error from server (TooManyRequests): the server has received too many requests"


def pods(count: int) -> list[dict[str, Any]]:
    metadata = [{"name": f"p{each}", "uid": f"u{each}", "managedFields": [1]} for each in range(count)]
    return [{"kind": "Pod", "metadata": each, "spec": {}} for each in metadata]


def names(cluster: Cluster) -> list[str]:
    return [each["metadata"]["name"] for each in objects(cluster, Kubectl(), PODS, sleep=lambda _seconds: None)]


def test_a_kind_knows_where_its_objects_are() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("shop") == "/api/v1/namespaces/shop/pods"
    assert Kind("Deployment", "deployments.apps").path("shop") == "/apis/apps/v1/namespaces/shop/deployments"


def test_a_page_is_asked_for_by_what_the_one_before_it_says() -> None:
    query = PageQuery(Kubectl(), "/api/v1/pods", after="a+b/c=")
    assert query.script == "kubectl get --raw '/api/v1/pods?limit=500&continue=a%2Bb%2Fc%3D'"
    assert names(Cluster(*pods(5))) == ["p0", "p1", "p2", "p3", "p4"]


def test_an_object_has_its_kind_again_and_not_who_wrote_which_field() -> None:
    (found,) = objects(Cluster(*pods(1)), Kubectl(), PODS)
    assert found == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p0", "uid": "u0"}, "spec": {}}


def test_a_list_that_is_forgotten_while_it_is_read_is_begun_again_and_comes_once() -> None:
    cluster = Cluster(*pods(5), refused={"/api/v1/pods 2": f"once: {EXPIRED}"})
    assert names(cluster) == ["p0", "p1", "p2", "p3", "p4"]
    assert cluster.asked.count("/api/v1/pods") == 2


def test_one_that_is_always_forgotten_is_given_up() -> None:
    cluster = Cluster(*pods(5), refused={"/api/v1/pods 2": EXPIRED})
    with pytest.raises(NodeprovError, match="Expired"):
        names(cluster)


def test_a_server_that_is_away_between_two_pages_is_asked_again_but_not_before_the_first() -> None:
    assert len(names(Cluster(*pods(3), refused={"/api/v1/pods 2": f"once: {AWAY}"}))) == 3
    with pytest.raises(NodeprovError, match="TooManyRequests"):
        names(Cluster(*pods(3), refused={"/api/v1/pods": f"once: {AWAY}"}))


def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LONGEST_SECONDS", 0.01)
    with pytest.raises(NodeprovError, match="TooManyRequests"):
        names(Cluster(*pods(3), refused={"/api/v1/pods 2": AWAY}))
