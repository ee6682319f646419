"""How the nodes of a cluster stand: counted, and those named that somebody should look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeprov.dispatch.marks import DONE, Last
from nodeprov.dispatch.views import NodeView
from nodeprov.dispatch.wanted import INSTALL, STAGE, Members, Wanted, wish_of
from nodeprov.inventory import Settings


@dataclass(frozen=True, slots=True)
class Overview:
    """How nodes stand.

    Args:
        counts: how many are done, due, being changed, failed, and left alone.
        failed: which have failed, and why.
        drifted: which of those that are done are not any more what the cluster was told, and in what.
        draining: from which nodes pods are to leave before their restart, and since when.
        waiting: on which nodes the end of pods is waited for before it, and since when.
    """

    counts: dict[str, int] = field(
        default_factory=lambda: {"done": 0, "due": 0, "changing": 0, "failed": 0, "left": 0}
    )
    failed: dict[str, str] = field(default_factory=dict)
    drifted: dict[str, str] = field(default_factory=dict)
    draining: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write it for programs; docs/json.md describes it."""
        named = {
            "failed": self.failed,
            "drifted": self.drifted,
            "draining": self.draining,
            "waiting": self.waiting,
        }
        return {"nodes": self.counts, **named}


def overview(nodes: Mapping[str, NodeView], wanted: Wanted, members: Members) -> Overview:
    """Look at all nodes of a cluster."""
    found = Overview()
    members.learn(name for name, node in nodes.items() if node.last)  # at once: one by one takes minutes
    for node in nodes.values():
        state = _state(node, wanted, members)
        found.counts[state] += 1
        if node.draining:
            found.draining[node.name] = node.draining
        if node.waiting:
            found.waiting[node.name] = node.waiting
        if state == "failed" and (mark := _mark(node, wanted)):
            found.failed[node.name] = mark.why
        if state == "done" and (drift := _drift(node, members.settings(node.name))):
            found.drifted[node.name] = drift
    return found


def _state(node: NodeView, wanted: Wanted, members: Members) -> str:
    mark = _mark(node, wanted)
    if node.claim:
        return "changing"
    if wish_of(node, wanted, members):
        return "due"
    if mark is None:
        return "left"
    return "done" if mark.result == DONE else "failed"


def _mark(node: NodeView, wanted: Wanted) -> Last | None:
    """Find the mark of the run that has done on a node what is wanted, or has failed."""
    is_staged = wanted.action == STAGE and node.staged is not None and node.staged.want == wanted.digest
    return node.staged if is_staged else node.last


def _drift(node: NodeView, settings: Settings) -> str:
    """Say in what an installed node differs from what its Node said at the end of its run; "" if in nothing.

    More can be seen on the node only: nodeprov status and verify, or another run, look there.
    """
    if node.last is None or node.last.action != INSTALL:
        return ""
    handler, label = settings.runtime.handler, settings.label
    if node.handlers is not None and handler not in node.handlers:
        return f"its kubelet does not report the handler {handler}"
    if node.labels.get(label.key) != label.value:
        return f"it does not have the label {label.key}={label.value}"
    return ""
