"""What is known of one node's run, and what may be done next for it, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nodeprov.dispatch.views import NodeView, PodView
from nodeprov.dispatch.wanted import INSTALL
from nodeprov.in_cluster.result import NodeResult

Doing = Literal[
    "claim", "stage", "cordon", "empty", "make the pod", "prove", "finish", "remove the pod", "uncordon", "wait"
]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a node's run has ended.

    Args:
        result: DONE, FAILED or BETWEEN.
        why: and what to do, where it is not DONE.
        found: what the pod has left; None if it left nothing.
        action: what was to be done.
        want: the digest of what was wanted.
        run: which it was, where the node is not claimed.
    """

    result: str
    why: str = ""
    hint: str = ""
    found: NodeResult | None = None
    action: str = INSTALL
    want: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done.

    Args:
        doing: in a word.
        said: for what is waited.
        pod: the one that is to be removed.
        at_once: whether it is removed without a kubelet that ends it: its node has left the cluster.
        ended: how the node's run has ended.
    """

    doing: Doing
    said: str = ""
    pod: PodView | None = None
    at_once: bool = False
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one node's run.

    Args:
        node: as it is; None if it has left the cluster.
        engine: the pod that does the work; None if there is none.
        staged: the pod that has done what needs no restart, before a drain; None if there is none.
        proof: the pod that proves it.
        run: the run that begins nodes now.
        action: what is to be done.
        want: the digest of what is wanted.
        empties: whether other pods are to leave, or to end, before containerd restarts.
        handler: the runtime handler that the node is to report.
        needs_proof: whether a pod is to prove it.
        kernel_line: finds in what that pod says by what its kernel is known as a sandbox's; "" if it is none.
        pods_made: how many pods this dispatcher has made for it.
        waited_seconds: for how long the same has been waited for.
        deadline_seconds, proof_seconds: how long that may be.
    """

    node: NodeView | None
    engine: PodView | None
    proof: PodView | None
    run: str
    handler: str
    needs_proof: bool
    kernel_line: Callable[[str], str]
    staged: PodView | None = None
    action: str = INSTALL
    want: str = ""
    empties: bool = False
    pods_made: int = 0
    waited_seconds: float = 0.0
    deadline_seconds: float = 1800.0
    proof_seconds: float = 120.0
