"""What is done next for one node: found anew each time in what the cluster has, so that any dispatcher goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from nodeprov.dispatch.marks import BETWEEN, DONE, FAILED
from nodeprov.dispatch.views import NO_START, NodeView, PodView
from nodeprov.dispatch.wanted import INSTALL
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.result import NodeResult

Doing = Literal["claim", "make the pod", "prove", "finish", "remove the pod", "wait"]
MOST_PODS = 3
"""So often the pod of a node is made in one run, where it goes before it has left a result."""
START_SECONDS, PROGRAM_SECONDS = 300, 30
"""So long a pod is waited for that kubelet cannot start: a registry that is away may be back by then.

An image without our program does not get one, and kubelet has tried three times.
"""
MARGIN_SECONDS = 180
"""How much longer than its own deadline a pod is waited for: kubelet ends it, if it is there."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a node's run has ended.

    Args:
        result: DONE, FAILED or BETWEEN.
        why: and what to do, where it is not DONE.
        found: what the pod has left; None if it left nothing.
        action: what was to be done.
        want: the digest of what was wanted.
    """

    result: str
    why: str = ""
    hint: str = ""
    found: NodeResult | None = None
    action: str = INSTALL
    want: str = ""


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
        proof: the pod that proves it.
        run: the run that begins nodes now.
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
    pods_made: int = 0
    waited_seconds: float = 0.0
    deadline_seconds: float = 1800.0
    proof_seconds: float = 120.0


def next_step(case: Case) -> Step:
    """Say what is done next for a node that is claimed, or has pods of ours."""
    step = _next(case)
    if step.ended is None or case.engine is None:
        return step
    return replace(step, ended=replace(step.ended, action=case.engine.action, want=case.engine.want))


def _next(case: Case) -> Step:
    node, engine = case.node, case.engine
    if node is None and (orphan := engine or case.proof):
        return Step("remove the pod", pod=orphan, at_once=True)
    if node is None or not node.claim:
        left = engine or case.proof
        return _removing(left) if left else Step("wait", "nothing is to be done")
    if engine is not None and engine.node_uid != node.uid:
        return _removing(engine)  # the node was made anew meanwhile
    if engine is None:
        return _without_pod(case, node)
    if engine.message:
        return _with_result(case, node, engine)
    if engine.has_ended:
        return _lost(case, engine)
    if engine.trouble and not engine.has_begun and case.waited_seconds > _patience(case, engine):
        return _finished(FAILED, f"kubelet cannot start its pod: {engine.trouble}", _look(engine))
    if case.waited_seconds > case.deadline_seconds + min(MARGIN_SECONDS, case.deadline_seconds):
        said = engine.trouble or "kubelet has not started it"
        return _finished(FAILED, f"its pod has not ended in {case.waited_seconds:.0f} s: {said}", _look(engine))
    return Step("wait", engine.trouble or f"its pod is {engine.phase}")


def _patience(case: Case, engine: PodView) -> float:
    return min(PROGRAM_SECONDS if NO_START in engine.trouble else START_SECONDS, case.deadline_seconds)


def _without_pod(case: Case, node: NodeView) -> Step:
    if node.claim != case.run:
        return Step("claim", "an earlier run began with it, and its pod is gone")
    if case.pods_made >= MOST_PODS:
        said = f"its pod went {case.pods_made} times before it had ended"
        return _finished(FAILED, said, "kubectl get events --all-namespaces")
    return Step("make the pod")


def _lost(case: Case, engine: PodView) -> Step:
    """Its pod has ended, and left nothing: kubelet refused it, or it took too long."""
    if "DeadlineExceeded" not in engine.trouble and case.pods_made < MOST_PODS:
        return _removing(engine)
    return _finished(FAILED, f"its pod has ended without a result: {engine.trouble}", _look(engine))


def _with_result(case: Case, node: NodeView, engine: PodView) -> Step:
    try:
        found = NodeResult.from_json((engine.message or "").encode())
    except NodeprovError as error:
        return _finished(FAILED, error.message, error.hint)
    if found.node != node.name or found.run != engine.run:
        said = f"its pod has left the result of {found.node}, run {found.run}"
        return _finished(FAILED, said, _look(engine))
    if found.exit:
        why = found.error
        said = f"{why.where}: {why.what}" if why else found.outcome
        return _finished(BETWEEN if found.exit == 4 else FAILED, said, why.hint if why else "", found)
    if engine.action != INSTALL:
        return _finished(DONE, found=found)
    return _proven(case, node, found)


def _proven(case: Case, node: NodeView, found: NodeResult) -> Step:
    """Go on after an install: kubelet reports the handler, then a pod of it runs."""
    is_late = case.waited_seconds > case.proof_seconds
    if node.handlers is not None and case.handler not in node.handlers:
        reported = ", ".join(filter(None, node.handlers)) or "none"
        if is_late:
            said = f"the node does not report the handler {case.handler}, only {reported}"
            return _finished(BETWEEN, said, "journalctl -u kubelet on the node", found)
        return Step("wait", f"the node reports the handlers {reported}")
    if not case.needs_proof:
        return _finished(DONE, found=found)
    if case.proof is None:
        return Step("prove")
    if case.proof.node_uid != node.uid or case.proof.run != node.claim:
        return _removing(case.proof)
    return _of_proof(case, case.proof, found)


def _of_proof(case: Case, proof: PodView, found: NodeResult) -> Step:
    if proof.phase == "Succeeded":
        if case.kernel_line(proof.message or ""):
            return _finished(DONE, found=found)
        said = f"a pod of the handler {case.handler} ran outside a sandbox"
        return _finished(BETWEEN, said, "nodeprov verify NODE", found)
    if proof.phase == "Failed" or case.waited_seconds > case.proof_seconds:
        said = f"a pod of the handler {case.handler} is {proof.phase}, not Succeeded: {proof.trouble}"
        return _finished(BETWEEN, said, _look(proof), found)
    return Step("wait", proof.trouble or f"the pod that proves it is {proof.phase}")


def _removing(pod: PodView) -> Step:
    return Step("wait", "its pod is being deleted") if pod.is_going else Step("remove the pod", pod=pod)


def _finished(result: str, why: str = "", hint: str = "", found: NodeResult | None = None) -> Step:
    return Step("finish", ended=Ended(result, why, hint, found))


def _look(pod: PodView) -> str:
    return f"kubectl describe pod {pod.name} --namespace {pod.namespace}"
