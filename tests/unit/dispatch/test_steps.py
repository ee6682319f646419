"""What is done next for a node, whatever is found of its run."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.dispatch.case import Case, Step
from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.steps import MARGIN_SECONDS, MOST_PODS, PROGRAM_SECONDS, START_SECONDS, next_step
from tests.support.dispatching import node, pod, result

CLAIMED = node(labels={CLAIM: "r1"})
DONE = pod(CLAIMED, phase="Succeeded", message=result())
PROVEN = pod(CLAIMED, is_proof=True, phase="Succeeded", message="sandbox")


def case(**fields: Any) -> Case:
    given: dict[str, Any] = {
        "node": CLAIMED,
        "engine": None,
        "proof": None,
        "run": "r1",
        "handler": "runsc",
        "needs_proof": True,
        "kernel_line": lambda said: said if said == "sandbox" else "",
    }
    return Case(**{**given, **fields})


SINCE = "2026-11-28T12:00:00+00:00"
DRAINED = node(labels={CLAIM: "r1"}, draining=SINCE, is_cordoned=True, has_our_cordon=True)
AWAITED = node(labels={CLAIM: "r1"}, waiting=SINCE, is_cordoned=True, has_our_cordon=True)
UNCORDONED = node(labels={CLAIM: "r1"}, draining=SINCE, has_our_cordon=True)


def staged(*, to_restart: bool = True, **fields: Any) -> Any:
    said = result(action="stage", to_restart=to_restart)
    return pod(CLAIMED, **{"action": "stage", "is_before_drain": True, "message": said, **fields})


def draining(**fields: Any) -> Case:
    return case(empties=True, **fields)


def ending(step: Step) -> tuple[str, str]:
    assert step.ended is not None
    return step.ended.result, step.ended.why


@pytest.mark.parametrize(
    ("known", "doing"),
    [
        (case(), "make the pod"),
        (case(run="r2"), "claim"),
        (case(engine=pod(CLAIMED)), "wait"),
        (case(engine=pod(CLAIMED, node_uid="another")), "remove the pod"),
        (case(engine=pod(CLAIMED, node_uid="another", is_going=True)), "wait"),
        (case(engine=pod(CLAIMED, phase="Failed", trouble="OutOfpods")), "remove the pod"),
        (case(engine=DONE), "prove"),
        (case(engine=DONE, needs_proof=False), "finish"),
        (case(engine=DONE, proof=pod(CLAIMED, is_proof=True)), "wait"),
        (case(engine=DONE, proof=pod(CLAIMED, is_proof=True, run="r0")), "remove the pod"),
        (case(engine=DONE, proof=PROVEN), "finish"),
        (case(node=node(labels={CLAIM: "r1"}, handlers=("",)), engine=DONE), "wait"),
        (case(node=node(labels={CLAIM: "r1"}, handlers=None), engine=DONE), "prove"),
        (case(node=node(), engine=DONE), "remove the pod"),
        (case(node=None, engine=DONE), "remove the pod"),
        (case(node=None, proof=PROVEN), "remove the pod"),
        (case(node=node()), "wait"),
    ],
)
def test_the_next_step(known: Case, doing: str) -> None:
    assert next_step(known).doing == doing


@pytest.mark.parametrize(
    ("known", "ended"),
    [
        (case(engine=DONE, proof=PROVEN), ("done", "")),
        (
            case(pods_made=MOST_PODS),
            ("failed", f"its pod went {MOST_PODS} times before it had ended"),
        ),
        (
            case(engine=pod(CLAIMED, phase="Failed", trouble="DeadlineExceeded")),
            ("failed", "its pod has ended without a result: DeadlineExceeded"),
        ),
        (
            case(engine=pod(CLAIMED, phase="Failed", trouble="OutOfpods"), pods_made=MOST_PODS),
            ("failed", "its pod has ended without a result: OutOfpods"),
        ),
        (
            case(engine=pod(CLAIMED, phase="Pending"), waited_seconds=1800 + MARGIN_SECONDS + 1),
            ("failed", "its pod has not ended in 1981 s: kubelet has not started it"),
        ),
        (
            case(engine=pod(CLAIMED, message=result(exit=1, outcome="failed"))),
            ("failed", "failed"),
        ),
        (
            case(engine=pod(CLAIMED, message=result(exit=4, outcome="between"))),
            ("between", "between"),
        ),
        (
            case(engine=pod(CLAIMED, message=result(node="n2"))),
            ("failed", "its pod has left the result of n2, run r1"),
        ),
        (
            case(node=node(labels={CLAIM: "r1"}, handlers=("runc",)), engine=DONE, waited_seconds=121),
            ("between", "the node does not report the handler runsc, only runc"),
        ),
        (
            case(engine=DONE, proof=pod(CLAIMED, is_proof=True, phase="Succeeded", message="Linux")),
            ("between", "a pod of the handler runsc ran outside a sandbox"),
        ),
        (
            case(engine=DONE, proof=pod(CLAIMED, is_proof=True, phase="Failed", trouble="no such handler")),
            ("between", "a pod of the handler runsc is Failed, not Succeeded: no such handler"),
        ),
    ],
)
def test_how_a_run_ends(known: Case, ended: tuple[str, str]) -> None:
    assert ending(next_step(known)) == ended


@pytest.mark.parametrize(
    ("known", "doing"),
    [
        (draining(), "stage"),
        (draining(staged=staged(to_restart=True, message=None)), "wait"),
        (draining(staged=staged(to_restart=True)), "cordon"),
        (draining(staged=staged(to_restart=False)), "make the pod"),
        (draining(staged=staged(to_restart=True, message=result(exit=1, outcome="failed"))), "finish"),
        (draining(staged=staged(to_restart=True, node_uid="another")), "remove the pod"),
        (
            draining(staged=staged(to_restart=True, message=None, phase="Failed", trouble="OutOfpods")),
            "remove the pod",
        ),
        # It takes its changes back, for the run that has made it was stopped.
        (draining(staged=staged(is_going=True, message=result(exit=1, outcome="failed"))), "wait"),
        (draining(staged=staged(is_going=True, phase="Failed", message=result(exit=1))), "wait"),
        (draining(pods_made=MOST_PODS), "stage"),
        (draining(pods_made=MOST_PODS + 1), "finish"),
        (draining(node=DRAINED), "empty"),
        (draining(node=AWAITED), "empty"),
        (draining(node=UNCORDONED), "cordon"),  # somebody has uncordoned it meanwhile
        (draining(node=DRAINED, engine=pod(CLAIMED)), "wait"),
        (draining(action="uninstall"), "cordon"),
        (draining(action="uninstall", node=DRAINED), "empty"),
        (draining(run="r2", staged=staged(to_restart=True)), "remove the pod"),
        (draining(run="r2", node=DRAINED), "claim"),
        (case(node=DRAINED), "make the pod"),  # it is not wanted any more
        (case(node=node(draining=SINCE)), "uncordon"),
        (case(node=node(waiting=SINCE)), "uncordon"),
        (case(node=node(draining=SINCE), staged=staged(to_restart=True)), "remove the pod"),
        (case(node=None, staged=staged(to_restart=True)), "remove the pod"),
    ],
)
def test_the_next_step_of_a_drain(known: Case, doing: str) -> None:
    assert next_step(known).doing == doing


def test_a_failure_before_the_pod_is_there_is_one_of_what_was_to_be_done() -> None:
    step = next_step(draining(action="uninstall", want="w2", pods_made=MOST_PODS + 1))
    assert step.ended
    assert (step.ended.action, step.ended.want) == ("uninstall", "w2")


def test_what_is_no_result_fails_the_node_and_not_the_dispatcher() -> None:
    found, why = ending(next_step(case(engine=pod(CLAIMED, message="killed"))))
    assert found == "failed"
    assert "has left no result" in why


def test_an_uninstall_needs_no_proof() -> None:
    engine = pod(CLAIMED, action="uninstall", message=result(action="uninstall"))
    step = next_step(case(engine=engine, node=node(labels={CLAIM: "r1"}, handlers=("",))))
    assert ending(step) == ("done", "")
    assert step.ended
    assert (step.ended.action, step.ended.want) == ("uninstall", "w")


UNPULLED, UNSTARTED = "release: ImagePullBackOff", "engine: exit code 128 StartError"


@pytest.mark.parametrize(
    ("trouble", "has_begun", "seconds", "doing"),
    [
        (UNPULLED, False, START_SECONDS, "wait"),
        (UNPULLED, False, START_SECONDS + 1, "finish"),
        (UNSTARTED, False, PROGRAM_SECONDS, "wait"),
        (UNSTARTED, False, PROGRAM_SECONDS + 1, "finish"),
        (UNPULLED, True, START_SECONDS + 1, "wait"),  # it works on the node, or was killed and is started again
        ("", False, START_SECONDS + 1, "wait"),  # a large image on a slow line
    ],
)
def test_a_pod_that_kubelet_cannot_start_fails_its_node_after_a_while(
    trouble: str, has_begun: bool, seconds: int, doing: str
) -> None:
    stuck = pod(CLAIMED, phase="Pending", trouble=trouble, has_begun=has_begun)
    step = next_step(case(engine=stuck, waited_seconds=seconds))
    assert step.doing == doing
    if doing == "finish":
        assert ending(step) == ("failed", f"kubelet cannot start its pod: {trouble}")
