"""What the dispatcher may do in a cluster: its roles are enough, and none of what they give is too much."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import pytest

from nodeprov.dispatch import doing
from nodeprov.dispatch.actor import NODES
from nodeprov.dispatch.api import ApiError, Object
from nodeprov.dispatch.objects import ACCOUNT, Place, objects, path_of
from nodeprov.dispatch.wanted import Members
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import engine_pod
from tests.support.control_plane import ControlPlane
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import PODS, Fakes, inventory
from tests.support.in_force import DRAIN, TAINT, USER, WAIT, WISH, wait_until_forbidden


def test_the_roles_are_enough(fakes: Fakes, plane: ControlPlane, applied: list[Object]) -> None:
    fakes.add("n1", "bad")
    fakes.api.patch(f"{NODES}/n1", {"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}})
    found = fakes.run(WISH, access=plane.user(USER))
    assert {each.node: each.ended.result for each in found.ends} == {"n1": "done", "bad": "failed"}
    assert (fakes.labelled(), fakes.node("n1").taints, fakes.pods()) == (["n1"], (), [])
    assert fakes.events() == ["bad: the disk is full\nhint: df -h"]
    assert fakes.errors == []


NEEDED = [
    ("ClusterRole", "nodes", "list"),
    ("ClusterRole", "nodes", "watch"),
    ("ClusterRole", "nodes", "patch"),
    ("ClusterRole", "runtimeclasses", "get"),
    ("ClusterRole", "runtimeclasses", "create"),
    ("Role", "pods", "list"),
    ("Role", "pods", "watch"),
    ("Role", "pods", "create"),
    ("Role", "pods", "delete"),
    ("Role", "leases", "get"),
    ("Role", "leases", "create"),
    ("Role", "leases", "update"),
]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is refused be a refusal soon: nobody gives the right later."""
    monkeypatch.setattr(doing, "TAKEN_UP_SECONDS", 1.0)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("kind", "resource", "verb"), NEEDED)
def test_a_dispatcher_needs_each_right(
    fakes: Fakes, plane: ControlPlane, applied: list[Object], kind: str, resource: str, verb: str
) -> None:
    fakes.add("n1")
    [role] = [each for each in applied if (each["kind"], each["metadata"]["name"]) == (kind, ACCOUNT)]
    rules = [_without(rule, verb) if rule["resources"] == [resource] else rule for rule in role["rules"]]
    fakes.api.patch(path_of(role), {"rules": [rule for rule in rules if rule["verbs"]]})
    found = fakes.dispatcher(WISH, access=plane.user(USER))
    threading.Thread(target=found.run, kwargs={"once": True}, daemon=True).start()
    refused = f'cannot {verb} resource "{resource}"'
    fakes.until(lambda: refused in "".join([*map(str, fakes.errors), *(each.said for each in fakes.told)]))


def _changed_meanwhile(fakes: Fakes) -> None:
    """Have a Node be another one at each write."""
    fakes.api.patch(f"{NODES}/n1", {"metadata": {"annotations": {"other": str(time.monotonic())}}})


def _pod_there(fakes: Fakes) -> None:
    """Have the pod that is to be made, as if the answer to it had been lost."""
    node = fakes.node("n1")
    images = WISH.images
    value = engine_pod(
        Assignment("r1", "install", "n1", node.uid, "m"), images, prefix="/opt/nodeprov", deadline_seconds=60
    )
    fakes.api.create(PODS, value)


def _other_class(fakes: Fakes) -> None:
    value: Object = {"metadata": {"name": "gvisor"}, "handler": "runsc", "overhead": {"podFixed": {"cpu": "1"}}}
    fakes.api.create("/apis/node.k8s.io/v1/runtimeclasses", value)


def _nothing(_fakes: Fakes) -> None:
    pass


ELSEWHERE = {
    "nodes": ("ClusterRole", ACCOUNT, "get", "n1", _nothing, _changed_meanwhile),
    "pods": ("Role", ACCOUNT, "get", "n1", _pod_there, _pod_there),
    "runtimeclasses": ("ClusterRole", ACCOUNT, "patch", "n1", _other_class, _nothing),
    "events": ("Role", f"{ACCOUNT}-events", "create", "bad", _nothing, _nothing),
}
"""What it needs where something is in its way: before it begins, and before each of its writes."""


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("resource", ELSEWHERE)
def test_a_dispatcher_needs_the_others_where_something_is_in_its_way(
    fakes: Fakes, plane: ControlPlane, applied: list[Object], resource: str
) -> None:
    kind, name, verb, node, before, at_each = ELSEWHERE[resource]
    fakes.add(node)
    [role] = [each for each in applied if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    rules = [_without(rule, verb) if rule["resources"] == [resource] else rule for rule in role["rules"]]
    fakes.api.patch(path_of(role), {"rules": [rule for rule in rules if rule["verbs"]]})
    before(fakes)

    def act() -> None:
        with contextlib.suppress(ApiError):
            at_each(fakes)

    found = fakes.dispatcher(WISH, access=plane.user(USER), before_write=act)
    threading.Thread(target=found.run, kwargs={"once": True}, daemon=True).start()
    refused = f'cannot {verb} resource "{resource}"'
    fakes.until(lambda: refused in "".join([*map(str, fakes.errors), *(each.said for each in fakes.told)]))


def _without(rule: Object, verb: str) -> Object:
    return {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}


def test_the_rights_to_drain_are_enough(fakes: Fakes, plane: ControlPlane, draining: list[Object]) -> None:
    found = fakes.run(DRAIN, access=plane.user(USER))
    node = fakes.node("n1")
    assert [(each.node, each.ended.result, each.ended.why) for each in found.ends] == [("n1", "done", "")]
    assert (node.is_cordoned, node.draining, node.has_our_cordon, fakes.pods()) == (False, "", False, [])
    assert fakes.errors == []


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("resource", "verb"), [("pods", "list"), ("pods/eviction", "create")])
def test_to_drain_needs_each_right(
    fakes: Fakes, plane: ControlPlane, draining: list[Object], resource: str, verb: str
) -> None:
    [role] = [each for each in draining if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", ACCOUNT)]
    rules = [rule for rule in role["rules"] if (rule["resources"], rule["verbs"]) != ([resource], [verb])]
    assert len(rules) == len(role["rules"]) - 1
    fakes.api.patch(path_of(role), {"rules": rules})
    wait_until_forbidden(fakes, resource, verb)
    [end] = fakes.run(DRAIN, access=plane.user(USER)).ends
    node = fakes.node("n1")
    assert f'cannot {verb} resource "{resource}"' in end.ended.why
    assert (end.ended.result, node.is_cordoned, node.draining) == ("failed", False, "")


def test_to_wait_for_pods_it_may_list_them_and_evict_none(
    fakes: Fakes, plane: ControlPlane, waiting: list[Object]
) -> None:
    [role] = [each for each in waiting if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", ACCOUNT)]
    rights = [(rule["resources"], rule["verbs"]) for rule in role["rules"]]
    assert (["pods"], ["list"]) in rights
    assert "pods/eviction" not in str(rights)
    [end] = fakes.run(WAIT, access=plane.user(USER)).ends
    assert (end.ended.result, "have not ended within 1 s: default/job" in end.ended.why) == ("failed", True)
    node = fakes.node("n1")
    assert (node.is_cordoned, node.is_being_emptied, fakes.errors) == (False, False, [])


@pytest.mark.usefixtures("soon")
def test_it_needs_the_right_to_list_them(fakes: Fakes, plane: ControlPlane, waiting: list[Object]) -> None:
    [role] = [each for each in waiting if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", ACCOUNT)]
    rules = [rule for rule in role["rules"] if (rule["resources"], rule["verbs"]) != (["pods"], ["list"])]
    fakes.api.patch(path_of(role), {"rules": rules})
    wait_until_forbidden(fakes, "pods", "list")
    [end] = fakes.run(WAIT, access=plane.user(USER)).ends
    assert (end.ended.result, 'cannot list resource "pods"' in end.ended.why) == ("failed", True)


@pytest.mark.parametrize(
    ("rollout", "may_evict"),
    [
        ({"wait_for": "a=b"}, False),
        ({"wait_for": "a=b", "wait_then": "evict"}, True),
        ({"drain": True}, True),
        ({}, None),
    ],
)
def test_the_rights_of_emptying_nodes_are_there_where_they_are_wanted(
    rollout: dict[str, Any], *, may_evict: bool | None
) -> None:
    wish = wanted(inventory(max_unavailable="1", **rollout))
    [role] = [
        each
        for each in objects(wish, Members(wish), Place())
        if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", ACCOUNT)
    ]
    resources = [each for rule in role["rules"] for each in rule["resources"]]
    assert ("pods" in resources, "pods/eviction" in resources) == (may_evict is not None, bool(may_evict))


def test_a_right_that_the_server_takes_up_late_fails_no_node(
    fakes: Fakes, plane: ControlPlane, draining: list[Object]
) -> None:
    [role] = [each for each in draining if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", ACCOUNT)]
    rules = [rule for rule in role["rules"] if "pods" not in rule["resources"]]
    fakes.api.patch(path_of(role), {"rules": rules})
    wait_until_forbidden(fakes, "pods", "list")
    late = threading.Timer(2, lambda: fakes.api.patch(path_of(role), {"rules": role["rules"]}))
    late.start()
    found = fakes.run(DRAIN, access=plane.user(USER))
    late.join()
    assert [(each.node, each.ended.result, each.ended.why) for each in found.ends] == [("n1", "done", "")]
    assert fakes.errors == []
