"""What kubectl answers, as tests need it."""

from __future__ import annotations

from typing import Any


def item(
    name: str = "worker-1",
    addresses: tuple[tuple[str, str], ...] = (("Hostname", "worker-1"), ("InternalIP", "10.0.0.11")),
    system: Any = "linux",
    architecture: Any = "amd64",
    **labels: str,
) -> dict[str, Any]:
    """One of `kubectl get nodes -o json`; in the name of a label _ stands for - and __ for /."""
    return {
        "metadata": {"name": name, "labels": {label.replace("__", "/").replace("_", "-"): "" for label in labels}},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "nodeInfo": {"operatingSystem": system, "architecture": architecture},
        },
    }


CLASSES: dict[str, Any] = {"items": [{"metadata": {"name": "gvisor"}, "handler": "runsc"}]}


def pod(name: str, *, runtime_class: str = "gvisor", owner: str = "ReplicaSet", **changes: Any) -> dict[str, Any]:
    """A pod as kubectl prints it; `changes` are of its metadata, spec and status."""
    owners = [{"kind": owner, "controller": True}] if owner else []
    value: dict[str, Any] = {
        "metadata": {"namespace": "prod", "name": name, "ownerReferences": owners, "annotations": {}},
        "spec": {"runtimeClassName": runtime_class},
        "status": {"phase": "Running"},
    }
    for part, more in changes.items():
        value[part] |= more
    return value
