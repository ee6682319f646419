"""What policies keep on top of the dispatcher's roles: which fields of a Node are its own, and which pods."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.dispatch.actor import CLASSES, NODES, proof_class, proof_pod
from nodeprov.dispatch.api import Api, ApiError, Object
from nodeprov.dispatch.applying import apply, plan
from nodeprov.dispatch.marks import CORDONED, DRAINING
from nodeprov.dispatch.objects import Place, limits_of, objects
from nodeprov.dispatch.policies import ONLY_ENGINES, ONLY_PROOFS, OWN_FIELDS
from nodeprov.dispatch.wanted import Members
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import NAMESPACE, engine_pod
from tests.support.control_plane import ControlPlane
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import PODS, Fakes
from tests.support.in_force import MEMBERS, PODS_OF_OTHERS, TAINT, USER, WISH

MARKED: Object = {"metadata": {"annotations": {CORDONED: "r1"}}}


def test_it_cordons_with_its_mark_and_uncordons_what_has_it_and_no_other_node(
    fakes: Fakes, plane: ControlPlane, draining: list[Object]
) -> None:
    api, path, cordoned = Api(plane.user(USER)), f"{NODES}/n1", {"spec": {"unschedulable": True}}
    uncordoned = {"spec": {"unschedulable": None}}
    unmarked = {"metadata": {"annotations": {CORDONED: None}}}
    with pytest.raises(ApiError, match="only to drain it, with its mark"):
        api.patch(path, cordoned)
    fakes.api.patch(path, cordoned)
    with pytest.raises(ApiError, match="only what it has cordoned itself"):
        api.patch(path, uncordoned)
    with pytest.raises(ApiError, match="the cordon of another one its own"):
        api.patch(path, MARKED)
    fakes.api.patch(path, uncordoned)
    api.patch(path, {**cordoned, **MARKED})
    with pytest.raises(ApiError, match="only what it has cordoned itself"):
        api.patch(path, uncordoned)
    api.patch(path, {**uncordoned, **unmarked})
    assert not fakes.node("n1").is_cordoned


def test_a_cordon_of_an_earlier_run_is_lifted_by_one_that_does_not_drain(
    fakes: Fakes, plane: ControlPlane, applied: list[Object]
) -> None:
    fakes.add("n1")
    marks = {CORDONED: "r0", DRAINING: "2026-11-28T12:00:00+00:00"}
    fakes.api.patch(f"{NODES}/n1", {"metadata": {"annotations": marks}, "spec": {"unschedulable": True}})
    found = fakes.run(WISH, access=plane.user(USER))
    assert [(each.node, each.ended.result) for each in found.ends] == [("n1", "done")]
    assert (fakes.node("n1").is_cordoned, fakes.errors) == (False, [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {"labels": {"tier": "gold"}}}, "own labels only"),
        ({"metadata": {"labels": {"kubernetes.io/hostname": None}}}, "own labels only"),
        ({"metadata": {"annotations": {"other": "x"}}}, "own annotations only"),
        ({"metadata": {"finalizers": ["x.io/y"]}}, "owners or finalizers"),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}},
            "owners or finalizers",
        ),
        ({"spec": {"taints": [{"key": "evict", "effect": "NoExecute"}]}}, "own startup taint only"),
        ({"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}}, "own startup taint only"),
        ({"spec": {"taints": None}}, "own startup taint only"),
        ({"spec": {"unschedulable": True}}, "may cordon a node only to drain it"),
        ({"spec": {"unschedulable": True}, **MARKED}, "may cordon a node only to drain it"),
        (MARKED, "the cordon of another one its own"),
        ({"spec": {"providerID": "x://y"}}, "the provider's id"),
    ],
)
def test_of_a_node_it_may_change_nothing_else(
    fakes: Fakes, plane: ControlPlane, applied: list[Object], change: Object, said: str
) -> None:
    fakes.add("n1")
    fakes.api.patch(f"{NODES}/n1", {"spec": {"taints": [{"key": "others", "effect": "NoSchedule"}]}})
    with pytest.raises(ApiError, match=said) as raised:
        Api(plane.user(USER)).patch(f"{NODES}/n1", change)
    assert OWN_FIELDS in raised.value.message
    assert "kubectl get validatingadmissionpolicies" in raised.value.hint


def _engine() -> Object:
    images = WISH.images
    return engine_pod(
        Assignment("r1", "install", "n1", "u", "m"), images, prefix="/opt/nodeprov", deadline_seconds=60
    )


def _changed(**spec: Any) -> Object:
    value = _engine()
    value["spec"] |= spec
    return value


def _with(container: int, **fields: Any) -> Object:
    value = _engine()
    value["spec"]["containers"][container] |= fields
    return value


def _volume(**kind: Any) -> Object:
    value = _engine()
    value["spec"]["volumes"].append({"name": "more", **kind})
    return value


def _dispatchers(**spec: Any) -> Object:
    value: Object = {
        "metadata": {"name": "dispatcher", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "c", "image": WISH.images.engine}]},
    }
    value["spec"] |= spec
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (_with(0, image="registry/engine:latest"), "own images"),
        (_changed(nodeName=""), "names its node"),
        (_volume(hostPath={"path": "/"}), "is mounted, by engines"),
        (_volume(hostPath={"path": "/opt/nodeprov"}), "is mounted, by engines"),
        (_volume(secret={"secretName": "x"}), "reads the ConfigMap"),
        (_volume(configMap={"name": "other"}), "reads the ConfigMap"),
        (_changed(automountServiceAccountToken=True), "has no token"),
        (_with(0, command=["sh", "-c", "id"]), "and nothing else"),
        (_with(0, args=["-c", "1"]), "and nothing else"),
        (_with(0, env=[{"name": "PYTHONPATH", "value": "/x"}]), "no program besides"),
        (_with(0, lifecycle={"postStart": {"exec": {"command": ["id"]}}}), "no program besides"),
        (_with(0, livenessProbe={"exec": {"command": ["id"]}}), "no program besides"),
        (_with(0, envFrom=[{"configMapRef": {"name": "other"}}]), "no program besides"),
        (_dispatchers(hostPID=True), "leave its container"),
        (_dispatchers(hostNetwork=True), "leave its container"),
        (
            _dispatchers(
                containers=[{"name": "c", "image": WISH.images.engine, "securityContext": {"privileged": True}}]
            ),
            "leave its container",
        ),
        (_dispatchers(volumes=[{"name": "v", "hostPath": {"path": "/opt/nodeprov/releases"}}]), "by engines"),
    ],
)
def test_its_namespace_runs_engines_to_the_letter_and_nothing_else(
    fakes: Fakes, applied: list[Object], value: Object, said: str
) -> None:
    assert fakes.api.create(PODS, _engine(), dryRun="All")
    assert fakes.api.create(PODS, _dispatchers(), dryRun="All")
    with pytest.raises(ApiError, match=said) as raised:
        fakes.api.create(PODS, value, dryRun="All")
    assert ONLY_ENGINES in raised.value.message


def test_nobody_enters_a_pod_of_the_namespace(fakes: Fakes, applied: list[Object]) -> None:
    fakes.add("silent")
    value = engine_pod(
        Assignment("r1", "install", "silent", "u", "m"), WISH.images, prefix="/opt/nodeprov", deadline_seconds=60
    )
    name = fakes.api.create(PODS, value)["metadata"]["name"]
    with pytest.raises(ApiError, match="no one may enter a pod here"):
        fakes.api.create(f"{PODS}/{name}/exec", {}, command="id", stdout="true")
    more = {"ephemeralContainers": [{"name": "d", "image": "busybox"}]}
    with pytest.raises(ApiError, match="no one may enter a pod here"):
        fakes.api.patch(f"{PODS}/{name}/ephemeralcontainers", {"spec": more}, "strategic-merge-patch")


def test_a_pod_of_the_namespace_is_given_no_other_image(fakes: Fakes, applied: list[Object]) -> None:
    fakes.add("silent")
    value = engine_pod(
        Assignment("r1", "install", "silent", "u", "m"), WISH.images, prefix="/opt/nodeprov", deadline_seconds=60
    )
    path = f"{PODS}/{fakes.api.create(PODS, value)['metadata']['name']}"
    fakes.api.patch(path, {"metadata": {"annotations": {"a": "b"}}})
    for containers in (
        {"containers": [{"name": "engine", "image": "x"}]},
        {"initContainers": [{"name": "release", "image": "x"}]},
    ):
        with pytest.raises(ApiError, match="no pod here is given another image"):
            fakes.api.patch(path, {"spec": containers}, "strategic-merge-patch")


def _spec(**fields: Any) -> Callable[[Object], None]:
    return lambda value: value["spec"].update(fields)


def _container(**fields: Any) -> Callable[[Object], None]:
    return lambda value: value["spec"]["containers"][0].update(fields)


BAD_PROOFS = [
    (_spec(runtimeClassName=None), "the RuntimeClass of proofs"),
    (_container(image="busybox"), "own image"),
    (_spec(initContainers=[{"name": "i", "image": "busybox"}]), "own image"),
    (lambda value: value["metadata"].update(labels={}), "for which run"),
    (_spec(hostPID=True), "leave its container"),
    (_spec(hostNetwork=True), "leave its container"),
    (_container(securityContext={"privileged": True}), "leave its container"),
    (_container(securityContext={"capabilities": {"add": ["SYS_MODULE"]}}), "leave its container"),
    (_spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "no volumes"),
    (_spec(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), "no volumes"),
    (_spec(automountServiceAccountToken=True), "no token|no volumes"),
    (_container(envFrom=[{"secretRef": {"name": "s"}}]), "of secrets"),
    (_container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]), "of secrets"),
]


OTHER: Object = {"metadata": {"name": "other"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}


def test_elsewhere_it_makes_and_deletes_proofs_and_nothing_else(
    fakes: Fakes, plane: ControlPlane, applied: list[Object]
) -> None:
    fakes.add("n1", "silent")
    api = Api(plane.user(USER))
    settings = MEMBERS.settings("silent")
    classes = {"metadata": {"name": proof_class(settings)}, "handler": "runsc"}
    fakes.api.create(CLASSES, classes)
    good = proof_pod(fakes.node("silent"), "r1", WISH.images.engine, settings)
    assert api.create(PODS_OF_OTHERS, good, dryRun="All")
    for change, said in BAD_PROOFS:
        value = copy.deepcopy(good)
        change(value)
        with pytest.raises(ApiError, match=said) as raised:
            api.create(PODS_OF_OTHERS, value, dryRun="All")
        assert ONLY_PROOFS in raised.value.message
    fakes.api.create(PODS_OF_OTHERS, OTHER)
    with pytest.raises(ApiError, match="its own proofs only"):
        api.delete(f"{PODS_OF_OTHERS}/other")
    fakes.api.delete(f"{PODS_OF_OTHERS}/other", gracePeriodSeconds=0)


OWN = """
[nodes.n9.paths]
prefix = "/var/x"
[nodes.n9.label]
key = "x.io/y"
[nodes.n9.runtime_class]
name = "other"
"""


def test_the_policies_name_what_the_inventory_and_the_images_say() -> None:
    wish = wanted(WISH.inventory + OWN)
    limits = limits_of(wish, Members(wish), NAMESPACE)
    assert limits.username == USER
    assert limits.labels == ["nodeprov.node-restriction.kubernetes.io/gvisor", "x.io/y"]
    assert limits.host_paths == ["/opt/nodeprov/releases", "/var/x/releases"]
    assert limits.images == [wish.images.engine, wish.images.release]
    assert limits.taints == [TAINT]


def test_a_policy_that_the_server_takes_up_late_fails_no_node(
    fakes: Fakes, plane: ControlPlane, applied: list[Object]
) -> None:
    fakes.add("n1")
    newer = replace(WISH, images=replace(WISH.images, engine="registry/engine@sha256:3"))
    values = [each for each in objects(newer, MEMBERS, Place()) if each["kind"] != "Deployment"]
    late = threading.Timer(2, lambda: list(apply(fakes.api, plan(fakes.api, values))))
    late.start()
    found = fakes.run(newer, access=plane.user(USER))
    late.join()
    assert [(each.node, each.ended.result) for each in found.ends] == [("n1", "done")]
    assert fakes.errors == []


def test_the_last_write_to_a_node_waits_for_its_policy_too(
    fakes: Fakes, plane: ControlPlane, applied: list[Object]
) -> None:
    fakes.add("n1")
    newer = replace(WISH, inventory=WISH.inventory.replace(TAINT, f"{TAINT}-2"))
    fakes.api.patch(f"{NODES}/n1", {"spec": {"taints": [{"key": f"{TAINT}-2", "effect": "NoSchedule"}]}})
    values = [each for each in objects(newer, Members(newer), Place()) if each["kind"] != "Deployment"]

    def late() -> None:
        fakes.until(lambda: fakes.node("n1").claim != "")
        time.sleep(2)  # the pods of n1 have done their work by then
        list(apply(fakes.api, plan(fakes.api, values)))

    thread = threading.Thread(target=late)
    thread.start()
    found = fakes.run(newer, access=plane.user(USER))
    thread.join()
    assert [(each.node, each.ended.result) for each in found.ends] == [("n1", "done")]
    assert fakes.errors == []
