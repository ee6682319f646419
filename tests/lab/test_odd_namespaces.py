"""Namespaces and policies that refuse pods, or change them: what is said, and that nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import ADMIN, CLASS, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov, refused, variant
from tests.lab.trials import deployment
from tests.support.sampling import by_turns

pytestmark = by_turns

ODD = f"odd-{WORKER}"
POLICY = f"odd.{WORKER}"
FINALIZER = "example.com/held"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')


@contextmanager
def having(kubectl: Kubectl, *objects: dict[str, Any]) -> Iterator[None]:
    """Have objects in the cluster, and remove them."""
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects]})
    try:
        kubectl("apply", "--namespace=", "-f", "-", stdin=whole)
        yield
    finally:
        kubectl("delete", "--namespace=", "--ignore-not-found", "-f", "-", stdin=whole)


def namespace(**labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ODD, "labels": labels}}


def workload() -> dict[str, Any]:
    made = deployment("web")
    made["metadata"]["namespace"] = ODD
    return made


def in_namespace(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "odd", "namespace": ODD}, "spec": spec}


def policy(kind: str, plural: str, namespaces: dict[str, Any], **spec: Any) -> list[dict[str, Any]]:
    """Write an admission policy of a kind about the making of some objects, and its binding."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [plural]}
    matched = {"resourceRules": [rule], **({"namespaceSelector": namespaces} if plural == "pods" else {})}
    version, name = "admissionregistration.k8s.io/v1", {"name": POLICY}
    actions = {"validationActions": ["Deny"]} if kind.startswith("Validating") else {}
    return [
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": name,
            "spec": {"failurePolicy": "Fail", "matchConstraints": matched, **spec},
        },
        {
            "apiVersion": version,
            "kind": f"{kind}Binding",
            "metadata": name,
            "spec": {"policyName": POLICY, **actions},
        },
    ]


REFUSING = {
    "a quota without room": (
        in_namespace("ResourceQuota", hard={"pods": "0"}),
        ("exceeded quota: odd", f"kubectl describe quota -n {ODD}"),
    ),
    "a quota that wants limits": (
        in_namespace("ResourceQuota", hard={"limits.cpu": "4"}),
        ("failed quota: odd: must specify limits.cpu for: web", f"kubectl describe quota -n {ODD}"),
    ),
    "a range that is too small": (
        in_namespace("LimitRange", limits=[{"type": "Container", "max": {"memory": "32Mi"}}]),
        ("maximum memory usage per Container is 32Mi, but limit is 64Mi", f"kubectl describe limitrange -n {ODD}"),
    ),
}


@pytest.mark.parametrize("which", REFUSING)
def test_a_trial_in_a_namespace_that_refuses_it_says_which_object_does(
    worker: Machine, kubectl: Kubectl, inventory: Path, which: str
) -> None:
    installed(WORKER)
    odd, said = REFUSING[which]
    with having(kubectl, namespace(), workload()), having(kubectl, odd):
        if odd["kind"] == "ResourceQuota":
            with eventually(30) as more:
                while "hard" not in kubectl.json("get", "quota", "odd", f"--namespace={ODD}").get("status", {}):
                    assert more()
        ended = nodeprov("try", "deployment/web", "-n", ODD, inventory=inventory)
        refused(ended, *said)
        assert_nothing_is_left(kubectl)


def test_a_trial_in_a_namespace_of_restricted_pods_says_so(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    installed(WORKER)
    with having(kubectl, namespace(**{"pod-security.kubernetes.io/enforce": "restricted"}), workload()):
        ended = nodeprov("try", "deployment/web", "-n", ODD, inventory=inventory)
        refused(ended, 'violates PodSecurity "restricted', f"kubectl describe namespace {ODD}")
        assert_nothing_is_left(kubectl)


def test_a_trial_in_a_namespace_that_is_being_deleted_says_so(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    installed(WORKER)
    held = workload()
    held["metadata"]["finalizers"] = [FINALIZER]
    with having(kubectl, namespace(), held):
        try:
            kubectl("delete", "namespace", ODD, "--wait=false")
            ended = nodeprov("try", "deployment/web", "-n", ODD, inventory=inventory)
            refused(ended, "is being terminated", f"kubectl get namespace {ODD}")
        finally:
            nothing = json.dumps({"metadata": {"finalizers": None}})
            kubectl("patch", "deployment", "web", f"--namespace={ODD}", "--type=merge", "--patch", nothing)


def test_a_policy_that_refuses_the_pods_of_a_trial_is_named(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    installed(WORKER)
    no_trials = {"expression": "!has(object.metadata.labels) || !('nodeprov.io/try' in object.metadata.labels)"}
    mine = {"matchLabels": {"kubernetes.io/metadata.name": ODD}}
    policies = policy("ValidatingAdmissionPolicy", "pods", mine, validations=[no_trials])
    with having(kubectl, namespace(), workload()), having(kubectl, *policies):
        in_force(kubectl, "ValidatingAdmissionPolicy")
        ended = nodeprov("try", "deployment/web", "-n", ODD, inventory=inventory)
        refused(ended, "denied request", f"kubectl get validatingadmissionpolicy {POLICY} -o yaml")
        assert_nothing_is_left(kubectl)


def test_a_policy_that_refuses_the_namespace_of_a_probe_is_named(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    installed(WORKER)
    level = "'pod-security.kubernetes.io/enforce'"
    no_privileged = {
        "expression": f"!has(object.metadata.labels) || !({level} in object.metadata.labels)",
        "message": "no privileged namespaces",
    }
    with having(kubectl, *policy("ValidatingAdmissionPolicy", "namespaces", {}, validations=[no_privileged])):
        in_force(kubectl, "ValidatingAdmissionPolicy")
        ended = nodeprov("probe", WORKER, inventory=inventory)
        refused(ended, "no privileged namespaces", f"kubectl get validatingadmissionpolicy {POLICY} -o yaml")
        assert "app.kubernetes.io/managed-by=nodeprov" in ended.stderr
        assert_nothing_is_left(kubectl)


@pytest.mark.parametrize("command", ["probe", "calibrate"])
def test_a_policy_that_refuses_all_pods_of_ours_is_named(
    worker: Machine, kubectl: Kubectl, inventory: Path, command: str
) -> None:
    installed(WORKER)
    no_root = {"expression": "!object.spec.containers.exists(c, true)", "message": "no pods today"}
    ours = {"matchLabels": {"app.kubernetes.io/managed-by": "nodeprov"}}
    with having(kubectl, *policy("ValidatingAdmissionPolicy", "pods", ours, validations=[no_root])):
        in_force(kubectl, "ValidatingAdmissionPolicy")
        ended = nodeprov(command, WORKER, inventory=inventory)
        refused(ended, "no pods today", f"kubectl get validatingadmissionpolicy {POLICY} -o yaml")
        assert_nothing_is_left(kubectl)


@pytest.mark.parametrize("command", ["probe", "calibrate", "try"])
def test_pods_that_a_policy_brings_into_the_sandbox_are_compared_with_nothing(
    worker: Machine, kubectl: Kubectl, inventory: Path, command: str
) -> None:
    installed(WORKER)
    here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [ODD]}
    namespaces: dict[str, Any] = {"matchExpressions": [here]} if command == "try" else {}
    ours = namespaces or {"matchLabels": {"app.kubernetes.io/managed-by": "nodeprov"}}
    change = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": f'Object{{spec: Object.spec{{runtimeClassName: "{CLASS}"}}}}'},
    }
    spec = {"reinvocationPolicy": "Never", "mutations": [change]}
    policies = policy("MutatingAdmissionPolicy", "pods", ours, **spec)
    arguments = ("deployment/web", "-n", ODD) if command == "try" else (WORKER,)
    with having(kubectl, namespace(), workload()), having(kubectl, *policies):
        in_force(kubectl, "MutatingAdmissionPolicy")
        ended = nodeprov(command, *arguments, inventory=inventory)
        refused(ended, f"was sent with no RuntimeClass and has the RuntimeClass {CLASS}")
        assert_nothing_is_left(kubectl)


def in_force(kubectl: Kubectl, kind: str) -> None:
    """Wait until the API server has compiled a policy: it reads them by a watch."""
    assert kubectl.json("get", kind, POLICY)
    Machine("master").run("sleep 3")


def assert_nothing_is_left(kubectl: Kubectl) -> None:
    assert kubectl("get", "namespaces", "-l", "nodeprov.io/made-for", "-o", "name") == ""
    assert kubectl("get", "pods", f"--namespace={ODD}", "-l", "nodeprov.io/try", "-o", "name") == ""
