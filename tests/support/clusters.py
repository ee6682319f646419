"""A cluster as kubectl tells of it, and a kubectl that is a shell script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nodeprov.hosts.base import Output
from nodeprov.inventory import ClusterSettings, Settings
from nodeprov.kubernetes.runtime_class import MANAGED_BY, wanted_runtime_class
from nodeprov.node.state import ClusterState
from nodeprov.states import ObjectState
from tests.support.samples import good_facts, settings

WANTED = settings()
KEY = "nodeprov.node-restriction.kubernetes.io/gvisor"
MACHINE_ID = good_facts().machine.machine_id


def node(labels: Mapping[str, str] | None = None, machine_id: str = MACHINE_ID) -> dict[str, Any]:
    return {
        "metadata": {"name": "worker1", "labels": dict(labels or {})},
        "status": {"nodeInfo": {"machineID": machine_id}},
    }


def labelled_node(name: str, handlers: Sequence[str] | None = None) -> dict[str, Any]:
    """One of the nodes with our label, and the handlers that its kubelet reports."""
    status = {} if handlers is None else {"runtimeHandlers": [{"name": each} for each in handlers]}
    return {"kind": "Node", "metadata": {"name": name, "labels": {KEY: "true"}}, "status": status}


def class_json(
    handler: str = "runsc", labels: Mapping[str, str] | None = None, name: str = "gvisor", **more: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name, "uid": "u", "labels": dict(labels or {})},
        "handler": handler,
        **more,
    }


def ours() -> dict[str, Any]:
    """The RuntimeClass as the API server would show it after we made it."""
    value = wanted_runtime_class(WANTED).value
    return class_json(**{**value, "labels": MANAGED_BY})


def facts(
    found: Mapping[str, Any] | None = None,
    existing: Mapping[str, Any] | None = None,
    labelled: tuple[str, ...] = (),
) -> ClusterState:
    return ClusterState("production", "https://10.0.0.10:6443", found or node(), existing, labelled)


def answer(text: str, returncode: int = 0, stderr: bytes = b"") -> Output:
    return Output(returncode, text.encode(), stderr)


def stub(folder: Any, body: str) -> Settings:
    """A kubectl that a shell script stands for."""
    program = folder / "kube-ctl"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return settings(cluster=ClusterSettings(kubectl=str(program)))


THEIRS = ObjectState.of({"handler": "runsc", "labels": {}})
