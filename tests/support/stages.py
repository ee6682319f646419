"""What KWOK plays of pods: engines that do their work, fail, hang, never start or vanish; and sandboxes."""

from __future__ import annotations

import json
from typing import Any

_RUN = "{{ index .metadata.labels `nodeprov.io/run` }}"
_ACTION = "{{ index .metadata.labels `nodeprov.io/action` }}"
_NOT_ENDED = [
    {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
    {"key": ".status.phase", "operator": "NotIn", "values": ["Succeeded", "Failed"]},
]
SANDBOX = "version: Linux version 4.19.0-gvisor #1 SMP\nkernel log:\n[    0.000000] Starting gVisor...\n"


def _message(**fields: Any) -> str:
    result = {
        "schema": 1,
        "run": _RUN,
        "node": "{{ .spec.nodeName }}",
        "action": _ACTION,
        "exit": 0,
        "outcome": "done",
        "release": "20260905.0",
        "handlers": ["runsc"],
        "digest": "",
        "restarted": True,
        "hit": [],
        "seconds": 1.5,
        "error": None,
        "to_restart": True,
        **fields,
    }
    return json.dumps(result)


def _stage(
    name: str, component: str, status: str, milliseconds: tuple[int, int], nodes: dict[str, Any] | None = None
) -> dict[str, Any]:
    begin, end = milliseconds
    expressions = [*_NOT_ENDED, *([nodes] if nodes else [])]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {
                "matchLabels": {"app.kubernetes.io/component": component},
                "matchExpressions": expressions,
            },
            "delay": {"durationMilliseconds": begin, "jitterDurationMilliseconds": end},
            "next": {"statusTemplate": status},
        },
    }


def _ended(container: str, message: str, *, phase: str = "Succeeded") -> str:
    return (
        f"phase: {phase}\n"
        "containerStatuses:\n"
        f"- name: {container}\n"
        "  image: fake\n  imageID: fake\n  ready: false\n  restartCount: 0\n"
        "  state:\n    terminated:\n      exitCode: 0\n"
        f"      message: {json.dumps(message)}\n"
    )


def stages(
    *,
    failing: list[str] | None = None,
    silent: list[str] | None = None,
    calm: list[str] | None = None,
    milliseconds: tuple[int, int] = (100, 300),
    proof_milliseconds: tuple[int, int] = (100, 300),
) -> list[dict[str, Any]]:
    """Write the stages: on `failing` nodes engines fail, and on `silent` ones nothing ever starts.

    `calm` nodes need no restart. An engine, and a proof, take between the two numbers of `milliseconds`.
    """
    fails, hangs, needs_none = failing or [], silent or [], calm or []
    special = [*fails, *hangs, *needs_none]
    others: dict[str, Any] | None = (
        {"key": ".spec.nodeName", "operator": "NotIn", "values": special} if special else None
    )
    error = {"where": "{{ .spec.nodeName }}", "what": "the disk is full", "hint": "df -h"}
    failed = _message(exit=1, outcome="failed", error=error)
    proof = _ended("proof", SANDBOX)
    found: list[dict[str, Any]] = [
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "Stage",
            "metadata": {"name": "node"},
            "spec": {
                "resourceRef": {"apiGroup": "v1", "kind": "Node"},
                "selector": {
                    "matchExpressions": [{"key": ".status.phase", "operator": "NotIn", "values": ["Running"]}]
                },
                # Without a stage of nodes KWOK plays none, and no pods on them.
                "next": {"statusTemplate": "phase: Running"},
            },
        },
        _stage("engine-done", "engine", _ended("engine", _message()), milliseconds, others),
        _stage("proof-done", "proof", proof, proof_milliseconds),
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "Stage",
            "metadata": {"name": "deleted"},
            "spec": {
                "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
                "selector": {"matchExpressions": [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}]},
                "next": {"delete": True, "finalizers": {"empty": True}},
            },
        },
    ]
    if needs_none:
        names = {"key": ".spec.nodeName", "operator": "In", "values": needs_none}
        said = _ended("engine", _message(restarted=False, to_restart=False))
        found.append(_stage("engine-calm", "engine", said, milliseconds, names))
    if fails:
        names = {"key": ".spec.nodeName", "operator": "In", "values": fails}
        found.append(_stage("engine-failed", "engine", _ended("engine", failed), milliseconds, names))
    return found
