"""What the dispatcher may do in a cluster, and nothing besides: its roles, and what policies keep on top."""

from __future__ import annotations

import contextlib
import copy
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.dispatch import doing
from nodeprov.dispatch.actor import CLASSES, NODES, proof_class, proof_pod
from nodeprov.dispatch.api import Api, ApiError, Object
from nodeprov.dispatch.applying import apply, plan
from nodeprov.dispatch.marks import CORDONED, DRAINING
from nodeprov.dispatch.objects import ACCOUNT, Place, limits_of, objects, path_of
from nodeprov.dispatch.policies import GROUP, ONLY_ENGINES, ONLY_PROOFS, OWN_FIELDS
from nodeprov.dispatch.wanted import Members, Wanted
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import NAMESPACE, engine_pod
from tests.support.control_plane import ControlPlane
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import PODS, Fakes, inventory

TAINT = "readiness.k8s.io/gvisor"
WISH = wanted(inventory(max_unavailable="100%").replace("[cluster]", f'[cluster]\nstartup_taint = "{TAINT}"'))
MEMBERS = Members(WISH)
DRAIN = wanted(inventory(max_unavailable="100%", drain=True))
WAIT = wanted(inventory(max_unavailable="100%", wait_for="app=batch", wait_timeout_seconds=1))
PODS_OF_OTHERS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


@pytest.fixture
def applied(fakes: Fakes) -> Iterator[list[Object]]:
    """All objects, in force; without a dispatcher, for which there is no node."""
    with in_force(fakes, WISH) as values:
        yield values


@pytest.fixture
def draining(fakes: Fakes) -> Iterator[list[Object]]:
    """All objects of a dispatcher that drains nodes, in force, and a pod that has to leave one."""
    fakes.add("n1")
    run_pod(fakes, "web")
    with in_force(fakes, DRAIN) as values:
        yield values
    fakes.api.delete(f"{PODS_OF_OTHERS}/web", gracePeriodSeconds=0)


@pytest.fixture
def waiting(fakes: Fakes) -> Iterator[list[Object]]:
    """All objects of a dispatcher that waits for pods and evicts none, in force, and a pod that does not end."""
    fakes.add("n1")
    run_pod(fakes, "job", {"app": "batch"})
    with in_force(fakes, WAIT) as values:
        yield values
    fakes.api.delete(f"{PODS_OF_OTHERS}/job", gracePeriodSeconds=0)


@contextlib.contextmanager
def in_force(fakes: Fakes, wish: Wanted) -> Iterator[list[Object]]:
    values = objects(wish, Members(wish), Place())
    planned = plan(fakes.api, [each for each in values if each["kind"] != "Deployment"])
    for done in apply(fakes.api, planned):
        assert done.verb == "create" or done.value["kind"] == "Namespace"
    _wait_for_policies(fakes)
    yield values
    for each in reversed(values):
        if each["kind"] != "Namespace":
            fakes.api.delete(path_of(each))


def _wait_for_policies(fakes: Fakes) -> None:
    """Wait until the server enforces all that were made by now, and none that was deleted.

    It takes up all at once, at the most each second (k8s.io/apiserver: pkg/admission/plugin/policy/generic,
    policy_source.go): so one that was made last tells of those before.
    """
    name = f"last-{secrets.token_hex(4)}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec: Object = {
        "matchConstraints": {"resourceRules": [{**rule, "resourceNames": [name]}]},
        "validations": [{"expression": "false", "message": name}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    kinds = {
        f"/apis/{GROUP}/validatingadmissionpolicies": spec,
        f"/apis/{GROUP}/validatingadmissionpolicybindings": binding,
    }
    for path, value in kinds.items():
        fakes.api.create(path, {"metadata": {"name": name}, "spec": value})
    fakes.until(
        lambda: name in _refusal(lambda: fakes.api.create(CONFIG_MAPS, {"metadata": {"name": name}}, dryRun="All"))
    )
    for path in reversed(kinds):
        fakes.api.delete(f"{path}/{name}")


def _refusal(act: Callable[[], object]) -> str:
    """Return what the server says where it refuses something; "" if it does not."""
    try:
        act()
    except ApiError as error:
        return error.message
    return ""


def _wait_until_forbidden(fakes: Fakes, resource: str, verb: str) -> None:
    """Wait until the server knows that the dispatcher has a right no more, in all namespaces."""
    name, _, sub = resource.partition("/")
    asked = {"verb": verb, "resource": name, "subresource": sub}
    value = {"spec": {"user": USER, "resourceAttributes": asked}}
    fakes.until(lambda: not fakes.api.create(REVIEWS, value)["status"]["allowed"])


def run_pod(fakes: Fakes, name: str, labels: dict[str, str] | None = None) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "o", "uid": "o", "controller": True}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    metadata = {"name": name, "labels": labels or {}, "ownerReferences": [owner]}
    fakes.api.create(PODS_OF_OTHERS, {"metadata": metadata, "spec": spec})


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
    _wait_until_forbidden(fakes, resource, verb)
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
    _wait_until_forbidden(fakes, "pods", "list")
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


def test_a_right_that_the_server_takes_up_late_fails_no_node(
    fakes: Fakes, plane: ControlPlane, draining: list[Object]
) -> None:
    [role] = [each for each in draining if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", ACCOUNT)]
    rules = [rule for rule in role["rules"] if "pods" not in rule["resources"]]
    fakes.api.patch(path_of(role), {"rules": rules})
    _wait_until_forbidden(fakes, "pods", "list")
    late = threading.Timer(2, lambda: fakes.api.patch(path_of(role), {"rules": role["rules"]}))
    late.start()
    found = fakes.run(DRAIN, access=plane.user(USER))
    late.join()
    assert [(each.node, each.ended.result, each.ended.why) for each in found.ends] == [("n1", "done", "")]
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
