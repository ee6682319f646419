"""A workload's shadow: its pod once more under another name, without what would reach beyond the trial."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_TEMPLATES: Mapping[str, tuple[str, ...]] = {"Pod": (), "CronJob": ("spec", "jobTemplate", "spec", "template")}
_OF_CONTROLLERS = ("spec", "template")
_HARMLESS = ("configMap", "downwardAPI", "emptyDir", "image")
"""Volumes that are the pod's own, or that it cannot write to."""
_OF_PROJECTED = ("configMap", "downwardAPI")
_OF_THE_POD_ITSELF = ("nodeName", "hostname", "subdomain", "runtimeClassName", "overhead", "ephemeralContainers")
_PRIORITY = ("priorityClassName", "priority", "preemptionPolicy")
"""By which the scheduler evicts pods of others to make room."""
_GRACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the shadow is to have of what is left out otherwise."""

    volumes: bool = False
    secrets: bool = False


@dataclass(slots=True)
class Shadow:
    """The pod's annotations and spec, and what was left out of it, in words."""

    annotations: dict[str, str]
    spec: dict[str, Any]
    left_out: list[str] = field(default_factory=list)


def shadow(whole: Mapping[str, Any], wanted: Wanted) -> Shadow:
    """Make the shadow of an object that is a pod, or makes pods by a template, whose labels are not taken over.

    Raises KeyError if it has no pod.
    """
    template: Any = whole
    for name in _TEMPLATES.get(whole["kind"], _OF_CONTROLLERS):
        template = template[name]
    spec = copy.deepcopy(template["spec"])
    made = Shadow(dict(template.get("metadata", {}).get("annotations") or {}), spec)
    for name in _OF_THE_POD_ITSELF:
        spec.pop(name, None)
    priority = {name: spec.pop(name, None) for name in _PRIORITY}
    if any(priority.values()):
        made.left_out.append("its priority: no pod of others is evicted for a trial")
    spec["terminationGracePeriodSeconds"] = _GRACE_SECONDS
    for container in _containers(spec):
        made.left_out += _without_effects(container, wanted)
    made.left_out += _without_volumes(spec, wanted)
    if not wanted.secrets:
        spec["automountServiceAccountToken"] = False
    return made


def _containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def _without_effects(container: dict[str, Any], wanted: Wanted) -> Iterator[str]:
    """Take out what concerns others: ports of the node, what a container says when it ends, secrets."""
    name = container["name"]
    for port in container.get("ports") or ():
        if number := port.pop("hostPort", None):
            yield f"{name}: port {number} of the node"
    if (container.get("lifecycle") or {}).pop("preStop", None):
        yield f"{name}: its preStop hook"
    if wanted.secrets:
        return
    for key, sources in (("env", "valueFrom"), ("envFrom", "")):
        kept = []
        for each in container.get(key) or ():
            source = (each.get(sources) or {}) if sources else each
            if secret := source.get("secretKeyRef") or source.get("secretRef"):
                yield f"{name}: {each.get('name', 'variables')} of the secret {secret.get('name', '')}"
            else:
                kept.append(each)
        if key in container:
            container[key] = kept


def _without_volumes(spec: dict[str, Any], wanted: Wanted) -> Iterator[str]:
    """Put empty folders in place of volumes that others have too."""
    volumes = []
    for each in spec.get("volumes") or ():
        kind = next((key for key in each if key != "name"), "emptyDir")
        if _is_taken(kind, each, wanted):
            volumes.append(each)
        else:
            volumes.append({"name": each["name"], "emptyDir": {}})
            yield f"volume {each['name']} ({kind}): an empty folder is there"
    names = {each["name"] for each in volumes}
    for container in _containers(spec):
        for device in container.pop("volumeDevices", None) or ():
            yield f"{container['name']}: the device {device['devicePath']}"
        for mount in container.get("volumeMounts") or ():
            if mount["name"] not in names:  # of a StatefulSet's volumeClaimTemplates
                names.add(mount["name"])
                volumes.append({"name": mount["name"], "emptyDir": {}})
                yield f"volume {mount['name']} (a claim of its own): an empty folder is there"
    spec["volumes"] = volumes


def _is_taken(kind: str, volume: Mapping[str, Any], wanted: Wanted) -> bool:
    if kind == "secret":
        return wanted.secrets
    if kind == "projected":
        sources = [key for each in volume[kind].get("sources") or () for key in each]
        return wanted.secrets or all(each in _OF_PROJECTED for each in sources)
    return kind in _HARMLESS or wanted.volumes


def pod(made: Shadow, metadata: Mapping[str, Any], *, placed: Mapping[str, str], seconds: int) -> dict[str, Any]:
    """Write a shadow as a pod that ends on its own after `seconds`; `placed` has its RuntimeClass or its node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": made.annotations, **metadata},
        "spec": {**made.spec, **placed, "activeDeadlineSeconds": seconds},
    }
