"""What a pod that must be sandboxed may not ask for: each rule for the API server, and the same for an audit.

The sandbox ends where a pod is given a part of the node: what it says in CEL and in Python must be the same, and
tests/cluster/test_policy.py holds the two against each other.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import UsageError

Found = list[str]
"""Where a pod breaks a rule: fields of its spec, or containers by their names; empty if it does not."""
HARMLESS = ("NET_BIND_SERVICE",)
"""Capabilities that may be added: the one that Pod Security's profile `restricted` allows too.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""
SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: `cel` is true of a pod that keeps it; `breaks` says where a spec does not.

    `said` is what whoever is refused reads, with what to do.
    """

    name: str
    said: str
    cel: str
    breaks: Callable[[Mapping[str, Any]], Found]


def containers_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the containers that a new pod begins with."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _flag(field: str) -> tuple[str, Callable[[Mapping[str, Any]], Found]]:
    cel = f"variables.isUpdate || !object.spec.?{field}.orValue(false)"
    return cel, lambda spec: [field] if spec.get(field) else []


def _host_paths(spec: Mapping[str, Any]) -> Found:
    return [f"volume {each.get('name', '')}" for each in spec.get("volumes") or () if each.get("hostPath")]


def _containers(cel: str, breaks: Callable[[Mapping[str, Any]], bool]) -> tuple[str, Callable[..., Found]]:
    def found(spec: Mapping[str, Any]) -> Found:
        return [f"container {each.get('name', '')}" for each in containers_of(spec) if breaks(each)]

    return f"variables.containers.all(c, {cel})", found


def _added(container: Mapping[str, Any]) -> bool:
    capabilities = (container.get("securityContext") or {}).get("capabilities") or {}
    return any(each not in HARMLESS for each in capabilities.get("add") or ())


def _host_ports(spec: Mapping[str, Any]) -> Found:
    # In a pod of the node's network each port becomes a port of the node (SetDefaults_Pod, pkg/apis/core/v1).
    is_host = bool(spec.get("hostNetwork"))
    return [
        f"container {each.get('name', '')}"
        for each in containers_of(spec)
        if any(is_host or port.get("hostPort") for port in each.get("ports") or ())
    ]


_HARMLESS = ", ".join(f"'{each}'" for each in HARMLESS)
_ADDED = f"c.?securityContext.?capabilities.?add.orValue([]).all(k, k in [{_HARMLESS}])"

RULES = (
    Rule(
        "host-network",
        "it may not use the network of the node: leave hostNetwork out",
        *_flag("hostNetwork"),
    ),
    Rule("host-pid", "it may not see the processes of the node: leave hostPID out", *_flag("hostPID")),
    Rule("host-ipc", "it may not share memory with processes of the node: leave hostIPC out", *_flag("hostIPC")),
    Rule(
        "host-path",
        "it may not mount files of the node: use another volume than hostPath",
        "variables.isUpdate || object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))",
        _host_paths,
    ),
    Rule(
        "privileged",
        "no container of it may be privileged: leave securityContext.privileged out",
        *_containers(
            "!c.?securityContext.?privileged.orValue(false)",
            lambda each: bool((each.get("securityContext") or {}).get("privileged")),
        ),
    ),
    Rule(
        "capabilities",
        f"no container of it may add other capabilities than {', '.join(HARMLESS)}",
        *_containers(_ADDED, _added),
    ),
    Rule(
        "host-ports",
        "no container of it may take a port of the node: leave hostPort out",
        "variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))",
        _host_ports,
    ),
)
"""The rules beside the one that the pod is in a sandbox, which is always there."""


def chosen(without: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules but those that are left out by their names; raise UsageError for a name that is none."""
    names, out = [rule.name for rule in RULES], tuple(without)
    for each in out:
        if each == SANDBOX:
            raise UsageError(
                f"--without {SANDBOX}: this rule is what the policy is for",
                "do not label the namespace, or label it nodeprov.io/sandbox=audit",
            )
        if each not in names:
            near = difflib.get_close_matches(each, names, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"--without {each}: there is no such rule", f"{meant}rules: {', '.join(names)}")
    return tuple(rule for rule in RULES if rule.name not in out)
