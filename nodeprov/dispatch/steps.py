"""What is done next for one node: found anew each time in what the cluster has, so that any dispatcher goes on."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.dispatch.case import Case, Ended, Step
from nodeprov.dispatch.marks import BETWEEN, DONE, FAILED
from nodeprov.dispatch.views import NO_START, NodeView, PodView
from nodeprov.dispatch.wanted import INSTALL, UNINSTALL
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.result import NodeResult

MOST_PODS = 3
"""So often the pod of a node is made in one run, where it goes before it has left a result."""
START_SECONDS, PROGRAM_SECONDS = 300, 30
"""So long a pod is waited for that kubelet cannot start: a registry that is away may be back by then.

An image without our program does not get one, and kubelet has tried three times.
"""
MARGIN_SECONDS = 180
"""How much longer than its own deadline a pod is waited for: kubelet ends it, if it is there."""


def next_step(case: Case) -> Step:
    """Say what is done next for a node that is claimed, or has pods or a mark of ours."""
    step = _next(case)
    if step.ended is None:
        return step
    action, want = (case.engine.action, case.engine.want) if case.engine else (case.action, case.want)
    return replace(step, ended=replace(step.ended, action=action, want=want))


def _next(case: Case) -> Step:
    node, engine = case.node, case.engine
    left = engine or case.staged or case.proof
    if node is None:
        return Step("remove the pod", pod=left, at_once=True) if left else Step("wait", "nothing is to be done")
    if not node.claim:
        if left:
            return _removing(left)
        return Step("uncordon") if node.is_being_emptied else Step("wait", "nothing is to be done")
    for pod in filter(None, (engine, case.staged)):
        if pod.node_uid != node.uid:
            return _removing(pod)  # the node was made anew meanwhile
    if engine is None:
        return _without_pod(case, node)
    found = _result(case, node, engine)
    if isinstance(found, Step):
        return found
    return _finished(DONE, found=found) if engine.action != INSTALL else _proven(case, node, found)


def _without_pod(case: Case, node: NodeView) -> Step:
    if node.claim != case.run:
        return _removing(case.staged) if case.staged else Step("claim", "an earlier run began with it")
    if case.pods_made >= _most_pods(case):
        said = f"its pod went {case.pods_made} times before it had ended"
        return _finished(FAILED, said, "kubectl get events --all-namespaces")
    if not case.empties:
        return Step("make the pod")
    if not node.is_being_emptied:
        return _before_drain(case, node)
    return Step("empty" if node.is_cordoned else "cordon")


def _before_drain(case: Case, node: NodeView) -> Step:
    """Have all done that needs no restart: what fails then has cost no pod, and without a restart none leaves."""
    if case.action == UNINSTALL:
        return Step("cordon")
    if case.staged is None:
        return Step("stage")
    # One that is being deleted takes its changes back: a run that was stopped has given the node back.
    staged = replace(case.staged, message=None) if case.staged.is_going else case.staged
    found = _result(case, node, staged)
    if isinstance(found, Step):
        return found
    return Step("cordon" if found.to_restart else "make the pod")


def _result(case: Case, node: NodeView, pod: PodView) -> NodeResult | Step:
    """Read what an engine has left if it was done; else say what is done about it."""
    if pod.message:
        return _read(node, pod)
    if pod.has_ended:
        return _lost(case, pod)
    if pod.trouble and not pod.has_begun and case.waited_seconds > _patience(case, pod):
        return _finished(FAILED, f"kubelet cannot start its pod: {pod.trouble}", _look(pod))
    if case.waited_seconds > case.deadline_seconds + min(MARGIN_SECONDS, case.deadline_seconds):
        said = pod.trouble or "kubelet has not started it"
        return _finished(FAILED, f"its pod has not ended in {case.waited_seconds:.0f} s: {said}", _look(pod))
    return Step("wait", pod.trouble or f"its pod is {pod.phase}")


def _read(node: NodeView, engine: PodView) -> NodeResult | Step:
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
    return found


def _most_pods(case: Case) -> int:
    return MOST_PODS + case.empties  # one of them does what comes before a drain


def _patience(case: Case, engine: PodView) -> float:
    return min(PROGRAM_SECONDS if NO_START in engine.trouble else START_SECONDS, case.deadline_seconds)


def _lost(case: Case, engine: PodView) -> Step:
    """Its pod has ended, and left nothing: kubelet refused it, or it took too long."""
    if "DeadlineExceeded" not in engine.trouble and case.pods_made < _most_pods(case):
        return _removing(engine)
    return _finished(FAILED, f"its pod has ended without a result: {engine.trouble}", _look(engine))


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
