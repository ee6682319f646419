"""The types of the fields that are looked at: the API server refuses what has another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from nodeprov.workloads.documents import Value

FLAG = "true or false, without quotes"
_MAP, _LIST = "a map (NAME: VALUE)", "a list (- VALUE)"
ANY: dict[str, Any] = {}
"""A map, whatever it has."""

_SECURITY = {"capabilities": {"add": [None], "drop": [None]}, "seccompProfile": ANY}
_CONTAINER = {
    "command": [None],
    "args": [None],
    "securityContext": {**_SECURITY, "allowPrivilegeEscalation": FLAG, "readOnlyRootFilesystem": FLAG},
    "resources": {"limits": ANY},
    "resizePolicy": [ANY],
    "volumeMounts": [ANY],
    "tty": FLAG,
}
POD = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [ANY],
    "securityContext": {"seccompProfile": ANY, "sysctls": [ANY]},
    **dict.fromkeys(("hostUsers", "hostNetwork", "hostPID", "hostIPC"), FLAG),
}
"""A pod's spec (kubernetes: staging/src/k8s.io/api/core/v1/types.go): a dict is a map, [it] a list of it."""


def faults(value: Value, shape: Any) -> Iterator[tuple[Value, str]]:
    """Find the values of another type, each with what it must be; null is as good as absent."""
    if not value.is_there:
        return
    match shape:
        case dict() if isinstance(value.node, yaml.MappingNode):
            for name, wanted in shape.items():
                if (inner := value.get(name)) is not None:
                    yield from faults(inner, wanted)
        case [member] if isinstance(value.node, yaml.SequenceNode):
            for inner in value.members() if member is not None else ():
                yield from faults(inner, member)
        case dict():
            yield value, _MAP
        case list():
            yield value, _LIST
        case str() if not (value.is_true or value.is_false):
            yield value, shape
