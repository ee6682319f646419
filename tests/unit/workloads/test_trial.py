"""How the two pods of a trial went, and what comes of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nodeprov.workloads.catalogue import catalogue
from nodeprov.workloads.trial import Run, Trial, has_settled, is_ready

CREATED = "2026-11-28T12:00:00Z"


def pod(state: dict[str, Any], *conditions: dict[str, str], phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {"name": "try-sandbox", "creationTimestamp": CREATED},
        "status": {
            "phase": phase,
            "conditions": [*conditions],
            "containerStatuses": [{"name": "web", "state": state, "restartCount": 1}],
        },
    }


READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-28T12:00:03Z"}
WAITING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
EVENT = {
    "type": "Warning",
    "reason": "Failed",
    "message": "no such call",
    "involvedObject": {"name": "try-sandbox"},
}
GOOD = Run(started=True, ready=True, seconds=3, pulled=False, restarts=0, memory_bytes=48 << 20, said="")
BAD = replace(GOOD, ready=False, seconds=None, said="CrashLoopBackOff: back-off")
TRIAL = Trial("Deployment shop/web", "worker1", GOOD, GOOD, (), (), (), ())


def test_a_pod_that_is_ready_has_taken_some_seconds() -> None:
    value = pod({"running": {}}, READY)
    assert is_ready(value)
    assert Run.of(value, [], 48 << 20) == replace(GOOD, restarts=1)


def test_a_pod_that_does_not_get_on_says_why_and_is_not_waited_for() -> None:
    value = pod(WAITING)
    assert has_settled(value)
    run = Run.of(value, [EVENT], None)
    assert (run.started, run.ready, run.seconds) == (False, False, None)
    assert run.said == "CrashLoopBackOff: back-off; no such call"
    assert not has_settled(pod({"running": {}}))


def test_a_workload_is_worse_off_if_it_does_not_run_or_is_restarted_more() -> None:
    assert not TRIAL.is_worse
    assert replace(TRIAL, sandbox=BAD).is_worse
    assert replace(TRIAL, sandbox=BAD, runc=None).is_worse
    assert replace(TRIAL, sandbox=replace(GOOD, restarts=2)).is_worse
    assert not replace(TRIAL, runc=BAD).is_worse


def test_people_and_programs_read_the_same() -> None:
    met = (catalogue()["seccomp"],)
    trial = replace(TRIAL, runc=BAD, left_out=("web: port 80 of the node",), calls=("io_uring_setup",), meets=met)
    text = "\n".join(trial.lines())
    for each in ("48 MiB", "CrashLoopBackOff", "left out: web", "io_uring_setup", "seccomp: "):
        assert each in text
    value = trial.as_json()
    assert (value["calls"], value["met"][0]["id"], value["runc"]["ready"]) == (
        ["io_uring_setup"],
        "seccomp",
        False,
    )
    assert replace(trial, calls=None).as_json()["calls"] is None
