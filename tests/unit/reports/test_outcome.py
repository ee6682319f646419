"""How a run ended and what happens in it, as text and as JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.errors import NodeprovError, Problem, Problems
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Drain, Event, Restart, Wait
from nodeprov.reports.outcome import errors_json, event_text, outcome_json, outcome_text
from tests.support.plans import (
    CLASSED,
    CONFIG_KEY,
    HANDLER,
    INSTALL,
    LABELLED,
    NOTHING,
    OLD,
    PLAN_FIELDS,
    RELEASE,
    SANDBOX,
    SERVING,
    UPGRADE,
    through_json,
)
from tests.support.samples import golden

ERROR = NodeprovError(
    "containerd does not serve: it does not answer on its socket",
    "journalctl -u containerd.service on the node",
    where="worker1",
)
OUTCOMES = {
    "done": Outcome(
        INSTALL,
        INSTALL.parts,
        proofs={SANDBOX.title: "Linux version 4.4.0", SERVING.title: "CRI is ok, unchanged after 6 s"},
    ),
    "nothing-done": Outcome(NOTHING),
    "failed-at-once": Outcome(INSTALL, error=ERROR),
    "undone": Outcome(INSTALL, INSTALL.parts[:9], ERROR, INSTALL.changes[:8]),
    "undone-and-kept": Outcome(
        INSTALL,
        INSTALL.parts[:9],
        ERROR,
        INSTALL.changes[:6],
        kept=(f"tree:{RELEASE} is kept: in use by pod default/app (container 0123456789abc, PID 42)",),
    ),
    "left": Outcome(
        INSTALL,
        INSTALL.parts[:9],
        ERROR,
        INSTALL.changes[:3],
        (f"{CONFIG_KEY}: somebody else has changed it since", "containerd.service: does not restart"),
        (f"tree:{RELEASE} stays, for {RELEASE}/runsc runs",),
    ),
    "done-in-part-by-others": Outcome(INSTALL, tuple(each for each in INSTALL.parts if each != CLASSED)),
    "kept": Outcome(UPGRADE, UPGRADE.parts, kept=(f"folder:{HANDLER}/000000000000 stays, for {OLD}/runsc runs",)),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_is_written_for_a_person(name: str) -> None:
    golden(f"report/outcome-{name}.txt", outcome_text(OUTCOMES[name]) + "\n")


WAIT = Wait("app=batch", 60, False, ("a/b",))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Event(SERVING, "done", "CRI is ok"), "proven: containerd serves, and goes on serving: CRI is ok"),
        (Event(SERVING, "begun"), None),
        (Event(Restart("c.service", ()), "begun"), "restarting c.service"),
        (Event(Restart("c.service", ()), "done"), None),
        (Event(Restart("c.service", ()), "undone"), "restarting c.service with its configuration as before"),
        (Event(LABELLED, "begun"), None),
        (
            Event(LABELLED, "done"),
            "done: label nodeprov.node-restriction.kubernetes.io/gvisor on node worker1",
        ),
        (Event(CLASSED, "undone"), "taken back: RuntimeClass gvisor"),
        (Event(Drain(("a/b",)), "begun"), "evicting sandboxed pods"),
        (Event(Drain(("a/b",)), "done"), None),
        (Event(Drain((), wait=WAIT), "begun"), "cordoning the node"),
        (Event(Drain((), wait=WAIT), "waiting", "1 pod: a/b"), "waiting for the end of 1 pod: a/b"),
    ],
)
def test_progress_is_told_step_by_step(event: Event, said: str | None) -> None:
    assert event_text(event) == said


OUTCOME_FIELDS = PLAN_FIELDS | {"exit_code", "done", "changed", "proofs", "undone", "left", "kept", "error"}
OUTCOME_FIELDS |= {"later", "remarks", "node_seconds"}
ERROR_FIELDS = {"message", "hint", "where"}


def test_when_a_kernel_was_built_is_for_programs_alone() -> None:
    said = "Linux version 4.19.0-gvisor #1 SMP Sun Jan 10 15:06:54 PST 2016"
    outcome = replace(OUTCOMES["done"], proofs={SANDBOX.title: said})
    assert f"  {SANDBOX.title}: Linux version 4.19.0-gvisor\n" in f"{outcome_text(outcome)}\n"
    assert outcome_json(outcome)["proofs"] == {SANDBOX.title: said}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_json_of_an_outcome_has_the_fields_that_are_documented(name: str) -> None:
    value = through_json(outcome_json(OUTCOMES[name]))
    assert set(value) == OUTCOME_FIELDS
    assert value["error"] is None or set(value["error"]) == ERROR_FIELDS


def test_the_json_of_an_outcome_says_what_happened() -> None:
    value = outcome_json(OUTCOMES["left"])
    assert (value["exit_code"], value["done"]) == (4, 9)
    assert value["undone"] == [each.resource.key for each in INSTALL.changes[:3]]
    assert value["kept"] == [f"tree:{RELEASE} stays, for {RELEASE}/runsc runs"]
    assert value["error"] == {"message": ERROR.message, "hint": ERROR.hint, "where": "worker1"}
    assert outcome_json(OUTCOMES["undone"])["exit_code"] == 1
    assert outcome_json(OUTCOMES["done"])["exit_code"] == 0
    assert outcome_json(OUTCOMES["done"])["proofs"][SANDBOX.title] == "Linux version 4.4.0"
    assert outcome_json(replace(OUTCOMES["undone"], left=("x",)))["exit_code"] == 4


def test_a_node_on_which_something_stays_is_not_called_as_it_was_before() -> None:
    text = outcome_text(OUTCOMES["undone-and-kept"])
    assert "as before;" in text
    assert "the node is as before" not in text


def test_errors_are_written_one_by_one() -> None:
    problems = Problems([Problem("no room", "df -h"), Problem("too old", "")], where="worker1")
    assert errors_json([problems, NodeprovError("gone", "ping it", where="worker2")]) == [
        {"message": "no room", "hint": "df -h", "where": "worker1"},
        {"message": "too old", "hint": "", "where": "worker1"},
        {"message": "gone", "hint": "ping it", "where": "worker2"},
    ]


def test_what_somebody_else_has_done_meanwhile_is_not_counted_in_the_text_nor_in_json() -> None:
    outcome, planned = OUTCOMES["done-in-part-by-others"], len(INSTALL.changes)
    assert outcome_text(outcome).startswith(f"worker1: install done, {planned - 1} changes\n")
    assert outcome_json(outcome)["changed"] == planned - 1
    assert outcome_json(OUTCOMES["done"])["changed"] == planned


def test_what_was_to_be_removed_and_stays_is_not_counted_as_removed() -> None:
    removals = [each for each in UPGRADE.changes if each.collects]
    assert removals, "the plan has something to collect"
    outcome = Outcome(UPGRADE, tuple(each for each in UPGRADE.parts if each not in removals), kept=("it stays",))
    assert outcome_json(outcome)["changed"] == len(UPGRADE.changes) - len(removals)
    assert "somebody else" not in outcome_text(outcome)
