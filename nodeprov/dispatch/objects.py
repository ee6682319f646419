"""The objects by which a cluster runs nodeprov itself: plain ones, that any tool can apply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.dispatch.actor import proof_class
from nodeprov.dispatch.api import Object
from nodeprov.dispatch.lease import LEASE
from nodeprov.dispatch.policies import Limits, only_engines, only_proofs, own_fields
from nodeprov.dispatch.wanted import Members, Wanted
from nodeprov.engine.rollout import CONTROL_PLANE
from nodeprov.in_cluster.pod import CONFIG_MAP, NAMESPACE
from nodeprov.kubernetes import restricted
from nodeprov.kubernetes.runtime_class import MANAGED_BY

NAME, ACCOUNT = "nodeprov", "nodeprov-dispatcher"
PORT = 8080
RBAC = "rbac.authorization.k8s.io"
_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "RuntimeClass": "runtimeclasses",
}


_ON_CONTROL_PLANE = {
    "weight": 100,
    "preference": {"matchExpressions": [{"key": CONTROL_PLANE, "operator": "Exists"}]},
}
"""kubeadm's label has no value; k3s and RKE2 give it one (k3s: ControlPlaneRoleLabelKey)."""
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
"""Not `required`: somebody may have put a taint there that nothing of ours tolerates."""
_TOLERATED = (CONTROL_PLANE, "node-role.kubernetes.io/etcd", "CriticalAddonsOnly")
"""Taints of control planes; the last two are what RKE2's and k3s' documentation puts on servers."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where they are made."""

    namespace: str = NAMESPACE


def objects(wanted: Wanted, members: Members, place: Place, *, resident: bool = True) -> list[Object]:
    """Write all objects, in the order in which they are made; without `resident` no dispatcher runs there."""
    limits = limits_of(wanted, members, place.namespace)
    found = [
        _namespace(place.namespace),
        *own_fields(limits),
        *only_engines(limits),
        *only_proofs(limits),
        *_rights(members, place.namespace),
        _config(wanted, place.namespace),
        *([_deployment(wanted, place)] if resident else []),
    ]
    for each in found:
        metadata = each["metadata"]
        metadata["labels"] = {**MANAGED_BY, "app.kubernetes.io/name": NAME, **metadata.get("labels", {})}
    return found


def path_of(value: Object) -> str:
    """Return where the API has an object."""
    version, kind, metadata = value["apiVersion"], value["kind"], value["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    within = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{within}/{_PLURALS.get(kind, f'{kind.lower()}s')}/{metadata['name']}"


def title(value: Object) -> str:
    """Name an object for a person."""
    metadata = value["metadata"]
    within = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{value['kind']} {within}{metadata['name']}"


def limits_of(wanted: Wanted, members: Members, namespace: str) -> Limits:
    """Say what the policies are to allow."""
    every = members.every
    taint = members.cluster.startup_taint
    return Limits(
        username=f"system:serviceaccount:{namespace}:{ACCOUNT}",
        namespace=namespace,
        labels=sorted({each.label.key for each in every}),
        taints=[taint] if taint else [],
        images=sorted({wanted.images.engine, wanted.images.release}),
        host_paths=sorted({f"{each.paths.prefix}/releases" for each in every}),
        proof_images=sorted({each.proof.image or wanted.images.engine for each in every}),
        proof_classes=sorted({proof_class(each) for each in every}),
        drains=members.empties,
    )


def _namespace(name: str) -> Object:
    levels = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": levels}}


def _rights(members: Members, namespace: str) -> list[Object]:
    """Write the account and its roles: what the dispatcher does needs each of them."""
    classes = sorted({name for each in members.every for name in (each.runtime_class.name, proof_class(each))})
    cluster = [
        _may("", "nodes", ["get", "list", "watch", "patch"]),
        _may("node.k8s.io", "runtimeclasses", ["get", "patch"], classes),
        _may("node.k8s.io", "runtimeclasses", ["create"]),
        *([_may("", "pods", ["list"])] if members.empties else []),
        *([_may("", "pods/eviction", ["create"])] if members.evicts else []),
    ]
    own = [
        _may("", "pods", ["get", "list", "watch", "create", "delete"]),
        _may("", "configmaps", ["get"], [CONFIG_MAP]),
        _may("coordination.k8s.io", "leases", ["get", "update"], [LEASE]),
        _may("coordination.k8s.io", "leases", ["create"]),
    ]
    proofs = [_may("", "pods", ["get", "list", "watch", "create", "delete"])]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}}
    roles = [
        ("", ACCOUNT, cluster),
        (namespace, ACCOUNT, own),
        *((each, f"{ACCOUNT}-proofs", proofs) for each in sorted(members.proof_namespaces)),
        ("default", f"{ACCOUNT}-events", [_may("", "events", ["create"])]),
    ]
    return [
        {**account, "automountServiceAccountToken": False},
        *(each for role in roles for each in _role(*role, namespace)),
    ]


def _may(group: str, resource: str, verbs: list[str], names: Sequence[str] = ()) -> Object:
    rule: Object = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return {**rule, "resourceNames": list(names)} if names else rule


def _role(within: str, name: str, rules: list[Object], accounts: str) -> list[Object]:
    kind = "Role" if within else "ClusterRole"
    metadata = {"name": name, **({"namespace": within} if within else {})}
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": dict(metadata), "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": accounts}],
        },
    ]


def _config(wanted: Wanted, namespace: str) -> Object:
    metadata = {"name": CONFIG_MAP, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wanted.data()}


def _deployment(wanted: Wanted, place: Place) -> Object:
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "dispatcher"}
    own = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    container = {
        "name": "dispatcher",
        "image": wanted.images.engine,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "nodeprov.dispatch"],
        "env": [
            _from("NODEPROV_NAMESPACE", "metadata.namespace"),
            _from("NODEPROV_IDENTITY", "metadata.name"),
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": {**_asks("/healthz"), "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**_asks("/readyz"), "periodSeconds": 5},
        "resources": own,
        "securityContext": restricted.OF_CONTAINER,
    }
    spec: dict[str, Any] = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "priorityClassName": "system-cluster-critical",
        "securityContext": restricted.of_pod(user=65532),
        "affinity": {"nodeAffinity": {_PREFERRED: [_ON_CONTROL_PLANE]}},
        "tolerations": [{"key": key, "operator": "Exists"} for key in _TOLERATED],
        "containers": [container],
    }
    if wanted.images.pull_secrets:
        spec["imagePullSecrets"] = [{"name": each} for each in wanted.images.pull_secrets]
    scrape = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": ACCOUNT, "namespace": place.namespace},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": scrape}, "spec": spec},
        },
    }


def _from(name: str, field: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}}


def _asks(path: str) -> Object:
    return {"httpGet": {"path": path, "port": "http"}}


def yaml(values: Sequence[Object]) -> str:
    """Write objects as YAML: every text is quoted as JSON quotes it, or a block of lines."""
    return "\n---\n".join("\n".join(_lines(each, 0)) for each in values) + "\n"


def _lines(value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    if isinstance(value, dict) and value:
        return [line for key, each in value.items() for line in _entry(f"{indent}{_key(key)}:", each, depth)]
    if isinstance(value, list) and value:
        found: list[str] = []
        for each in value:
            first, *rest = _lines(each, depth + 1)
            found += [f"{indent}- {first.lstrip()}", *rest]
        return found
    return [indent + json.dumps(value, ensure_ascii=False)]


def _entry(begin: str, value: Any, depth: int) -> list[str]:
    if isinstance(value, dict | list) and value:
        return [begin, *_lines(value, depth + 1)]
    if isinstance(value, str) and _is_block(value):
        indent = "  " * (depth + 1)
        return [f"{begin} |", *(indent + line if line else "" for line in value[:-1].split("\n"))]
    return [f"{begin} {json.dumps(value, ensure_ascii=False)}"]


def _is_block(text: str) -> bool:
    """Tell whether a text is lines that YAML keeps as they are, and ends with a single end of line."""
    lines = text.removesuffix("\n").split("\n")
    is_whole = text.endswith("\n") and bool(lines[-1]) and len(lines) > 1 and not lines[0].startswith((" ", "\t"))
    return (
        is_whole
        and bool(lines[0])
        and all(line.isprintable() or line.expandtabs().isprintable() for line in lines)
    )


def _key(key: str) -> str:
    return key if key.replace("/", "").replace(".", "").replace("-", "").isalnum() else json.dumps(key)
