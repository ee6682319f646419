"""Pods of others on nodes that KWOK plays, and budgets that hold them there: for tests that drain."""

from __future__ import annotations

from typing import Any

from nodeprov.dispatch.api import Object
from nodeprov.dispatch.dispatcher import Dispatcher
from tests.support.fleet_of_fakes import Fakes, inventory

NAMESPACE = "prod"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
BUDGETS = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
APP = {"app": "web"}
DRAIN = inventory(max_unavailable="100%", max_failures=100, drain=True)
PLAIN = inventory(max_unavailable="100%", max_failures=100)


def make_room(fakes: Fakes) -> None:
    """Have their namespace, without any of them."""
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    for path, name in (("/api/v1/namespaces", NAMESPACE), (accounts, "default")):
        if fakes.api.find(f"{path}/{name}") is None:
            fakes.api.create(path, {"metadata": {"name": name}})
    clear_away(fakes)


def clear_away(fakes: Fakes) -> None:
    """Remove all of them, and their budgets."""
    for path in (PODS, BUDGETS):
        fakes.api._call("DELETE", path, {}, {"gracePeriodSeconds": 0})


def owner(kind: str) -> list[Object]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "o", "controller": True}]


def run_pod(fakes: Fakes, name: str, node: str = "n1", **metadata: Any) -> None:
    """Have a pod run on a node, as a ReplicaSet makes it unless it is said otherwise."""
    given = {"name": name, "labels": APP, "ownerReferences": owner("ReplicaSet"), **metadata}
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
    fakes.api.create(PODS, {"metadata": given, "spec": spec})
    ready = {"type": "Ready", "status": "True"}
    fakes.api.patch(f"{PODS}/{name}/status", {"status": {"phase": "Running", "conditions": [ready]}})


def budget(fakes: Fakes, allowed: int) -> None:
    """Allow so many evictions, in place of the controller that counts pods."""
    path = f"{BUDGETS}/web"
    if fakes.api.find(path) is None:
        spec = {"minAvailable": 1, "selector": {"matchLabels": APP}}
        fakes.api.create(BUDGETS, {"metadata": {"name": "web"}, "spec": spec})
    counted = {
        "disruptionsAllowed": allowed,
        "currentHealthy": 1 + allowed,
        "desiredHealthy": 1,
        "expectedPods": 2,
    }
    generation = fakes.api.get(path)["metadata"]["generation"]
    fakes.api.patch(f"{path}/status", {"status": {"observedGeneration": generation, **counted}})


def names(fakes: Fakes) -> list[str]:
    return sorted(each["metadata"]["name"] for each in fakes.api.get(PODS)["items"])


def results(found: Dispatcher) -> dict[str, str]:
    return {each.node: each.ended.result for each in found.ends}


def serves(fakes: Fakes, name: str = "n1") -> bool:
    """Tell whether nothing is left of a drain on a node."""
    node = fakes.node(name)
    return not (node.is_cordoned or node.is_being_emptied or node.has_our_cordon)
