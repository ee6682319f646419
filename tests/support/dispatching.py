"""Nodes, pods and wishes, for tests of the dispatcher."""

from __future__ import annotations

from typing import Any

from nodeprov.dispatch.marks import DONE, Last
from nodeprov.dispatch.views import NodeView, PodView
from nodeprov.dispatch.wanted import Wanted
from nodeprov.in_cluster.pod import PodImages
from nodeprov.in_cluster.result import NodeResult

RUN = "r1"
INVENTORY = """
[release]
version = "20260905.0"
[cluster]
select = "pool=sandboxes"
"""
IN_POOL = {"pool": "sandboxes"}
AT = "2026-11-28T12:00:00+00:00"


def wanted(inventory: str = INVENTORY, **fields: Any) -> Wanted:
    images = PodImages("registry/engine@sha256:1", "registry/release@sha256:2")
    return Wanted(fields.pop("run", RUN), inventory, "the lock", images, **fields)


def last(**fields: Any) -> Last:
    return Last(**{**_LAST, "want": wanted().digest, **fields})


_LAST = {"run": RUN, "action": "install", "result": DONE, "machine": "12345678", "at": AT}


def node(name: str = "n1", **fields: Any) -> NodeView:
    given: dict[str, Any] = {
        "uid": f"uid-{name}",
        "version": "1",
        "machine_id": "123456789abc",
        "architecture": "amd64",
        "labels": IN_POOL,
        "taints": (),
        "is_ready": True,
        "is_cordoned": False,
        "handlers": ("runsc", ""),
        "last": None,
    }
    return NodeView(name, **{**given, **fields})


def pod(of: NodeView, *, is_proof: bool = False, **fields: Any) -> PodView:
    given: dict[str, Any] = {
        "name": f"nodeprov-{of.name}",
        "uid": f"pod-{of.name}",
        "namespace": "nodeprov-system",
        "version": "1",
        "node": of.name,
        "node_uid": of.uid,
        "run": RUN,
        "action": "install",
        "want": "w",
        "is_proof": is_proof,
        "phase": "Running",
        "message": None,
        "has_begun": True,
        "trouble": "",
        "is_going": False,
    }
    return PodView(**{**given, **fields})


def result(**fields: Any) -> str:
    given = {"run": RUN, "node": "n1", "action": "install", "exit": 0, "outcome": "done", **fields}
    return NodeResult(**given).to_json().decode()
