"""The policies on real nodes: a pod that names no class boots gVisor, and what the profile does there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.machines import CHECKOUT, CLASS, IMAGE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov
from tests.support.sampling import by_turns

pytestmark = by_turns
ADMINS = CHECKOUT / "inventory" / "lab.toml"
WHERE = "policy-tenant"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def policy(*arguments: str) -> None:
    ended = nodeprov("policy", *arguments, "--yes", inventory=ADMINS)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def pod(name: str, security: dict[str, object] | None = None, **spec: object) -> str:
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", "dmesg; cd /tmp; echo reached > index.html; exec httpd -f -p 8080"],
        "securityContext": security or {},
    }
    whole = {
        "nodeName": WORKER,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        **spec,
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole})


@pytest.fixture
def tenant(worker: Machine, kubectl: Kubectl) -> Iterator[str]:
    """A namespace for which a node has sandboxes; with it goes all that a policy has made."""
    installed(WORKER)
    kubectl("create", "namespace", WHERE)
    with eventually() as more:
        while more() and kubectl.attempt("-n", WHERE, "get", "serviceaccount", "default").returncode:
            pass
    yield WHERE
    nodeprov("policy", "remove", "--yes", inventory=ADMINS)
    kubectl("delete", "namespace", WHERE)


def test_a_pod_that_names_no_class_boots_gvisor_where_that_is_the_default(tenant: str, kubectl: Kubectl) -> None:
    policy("apply", "--default", tenant, "--profile", tenant)
    with eventually() as more:
        while more() and not _has_class(kubectl, tenant):
            pass
    kubectl("-n", tenant, "create", "-f", "-", stdin=pod("plain", RESTRICTED))
    with eventually() as more:
        while more() and "Starting gVisor" not in kubectl.attempt("-n", tenant, "logs", "plain").text:
            pass
    assert "Starting gVisor" in kubectl("-n", tenant, "logs", "plain")
    refused = kubectl.attempt("-n", tenant, "create", "-f", "-", stdin=pod("loose"))
    assert 'violates PodSecurity "restricted:latest"' in refused.said
    assert "nodeprov-default-deny" in kubectl("-n", tenant, "get", "networkpolicies")
    reached_in_spite_of_the_network_policy(tenant, kubectl)
    policy("apply", "--required", tenant)
    with eventually() as more:
        while more() and not kubectl.attempt(*_tried(tenant), stdin=pod("p", RESTRICTED)).returncode:
            pass
    assert (
        "rule sandbox: it must run in a sandbox"
        in kubectl.attempt(*_tried(tenant), stdin=pod("p", RESTRICTED)).said
    )
    assert kubectl.attempt(*_tried(tenant), stdin=pod("p", RESTRICTED, runtimeClassName=CLASS)).returncode == 0


def reached_in_spite_of_the_network_policy(where: str, kubectl: Kubectl) -> None:
    """See what docs/policy.md says of the lab: nothing enforces a NetworkPolicy on its plain bridge."""
    kubectl("-n", where, "create", "-f", "-", stdin=pod("peer", RESTRICTED))
    kubectl("-n", where, "wait", "--for=condition=Ready", "pod/peer", "--timeout=60s")
    address = kubectl("-n", where, "get", "pod", "peer", "-o", "jsonpath={.status.podIP}")
    get = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} 8080"
    asked = ("-n", where, "exec", "plain", "--", "sh", "-c", get)
    with eventually() as more:
        while more() and kubectl.attempt(*asked).returncode:
            pass
    assert "reached" in kubectl(*asked)


def _tried(where: str) -> tuple[str, ...]:
    return "-n", where, "create", "-f", "-", "--dry-run=server", "-o", "json"


def _has_class(kubectl: Kubectl, where: str) -> bool:
    made = kubectl.attempt(*_tried(where), stdin=pod("p", RESTRICTED))
    return CLASS in made.text
