"""The table of faults as data: every operation meets a fault, every fault is acted, and a seed repeats it all."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from nodeprov.hosts.base import plain
from nodeprov.node.switch import SwitchAtWork
from nodeprov.plan.files import FileAt
from tests.lab.faults import tally
from tests.lab.faults.document import PAGE, page
from tests.lab.faults.judge import AS_BEFORE, AS_WANTED, ELSE, Seen, State, verdict
from tests.lab.faults.lives import Tried
from tests.lab.faults.operations import AFTER, BEFORE, DURING, FDS, Operation, Watched, name_of
from tests.lab.faults.plan import full_plan, short_life
from tests.lab.faults.record import Record
from tests.lab.faults.table import ACTIONS, ADOPTING, FAULTS, GC, INSTALL, ROLLBACK, TRYING, UNINSTALL, UPGRADE
from tests.lab.faults.watching import Point
from tests.lab.machines import CONFIG, CURRENT

OPERATIONS = {
    INSTALL: ["ask", "hold", *["ask"] * 40, f"write_file {CONFIG}", "run restart", "run prove-serving"],
    UPGRADE: ["ask", "hold", *["ask"] * 20, "run prove-sandbox", f"write_link {CURRENT}"],
    ROLLBACK: ["ask", "hold", f"write_link {CURRENT}"],
    GC: ["ask", "hold", "remove /opt/nodeprov/handlers/runsc/0123456789ab"],
    UNINSTALL: ["ask", "hold", f"write_file {CONFIG}", "run restart", *["ask"] * 30],
}


def points(operations: list[str]) -> tuple[Point, ...]:
    numbered = [Operation(number, 1, "worker1", what) for number, what in enumerate(operations, start=1)]
    return tuple(Point(when, operation) for operation in numbered for when in (BEFORE, DURING, AFTER))


RECORD = Record({action: points(what) for action, what in OPERATIONS.items()}, (), {})


class TestPlan:
    def test_a_full_run_acts_at_least_two_hundred_faults(self) -> None:
        assert sum(len(life.cases) for life in full_plan(RECORD, "a")) >= 200

    @pytest.mark.parametrize("action", ACTIONS)
    def test_every_operation_meets_a_fault(self, action: str) -> None:
        cases = [life.cases[action] for life in full_plan(RECORD, "a")]
        met = {case.point.operation.number for case in cases}
        assert len(met) == len(OPERATIONS[action])

    def test_every_fault_is_acted_wherever_it_must_be(self) -> None:
        cases = [case for life in full_plan(RECORD, "a") for case in life.cases.values()]
        acted = Counter(case.fault.name for case in cases)
        assert {fault.name for fault in FAULTS} == set(acted)
        for fault in FAULTS:
            for must in fault.must:
                assert any(
                    case.fault == fault
                    and case.action == must.action
                    and case.point.when == must.when
                    and case.point.operation.what.endswith(must.what)
                    for case in cases
                ), (fault.name, must)

    def test_a_fault_is_acted_only_where_it_may_be(self) -> None:
        for life in full_plan(RECORD, "a"):
            for action, case in life.cases.items():
                assert action in case.fault.actions
                assert case.point.when in case.fault.whens
                assert case.fault.group == life.group

    def test_a_seed_repeats_it(self) -> None:
        assert full_plan(RECORD, "a") == full_plan(RECORD, "a") != full_plan(RECORD, "b")


@pytest.mark.parametrize("actions", [ADOPTING, TRYING], ids=["adopt", "canary"])
def test_each_run_of_a_short_life_has_a_fault_that_may_be_there(actions: tuple[str, ...]) -> None:
    record = Record(
        {action: points(["ask", "hold", f"write_file {CONFIG}"]) for action in actions}, (), {}, actions
    )
    lives = [short_life(record, "a", number) for number in range(100)]
    for life in lives:
        assert [*life.cases] == [*actions]
        assert all(case.point.when in case.fault.whens for case in life.cases.values())
    assert len({case.fault.name for life in lives for case in life.cases.values()}) > 5
    assert lives[0] == short_life(record, "a", 0)


class TestOperations:
    """Points are found again in another run: their names hold nothing that differs between two runs."""

    def test_a_wait_is_one_operation_however_often_it_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = []
        for times in (1, 7):
            reading, writing = os.pipe()
            monkeypatch.setenv(FDS, f"{writing},{reading}")
            watched = Watched()
            for what in ("hold", *["ask Pod"] * times, "run delete", "ask Pod", "ask Node"):
                with watched.operation("worker1", what):
                    pass
            os.close(writing)
            with os.fdopen(reading) as lines:
                said.append(lines.read().splitlines())
        assert said[0] == said[1]
        assert said[0][-4:] == [
            "before 4 2 worker1 ask Pod",
            "after 4 2 worker1 ask Pod",
            "before 5 1 worker1 ask Node",
            "after 5 1 worker1 ask Node",
        ]

    @pytest.mark.parametrize(
        ("method", "argument", "name"),
        [
            ("run", plain("settle", "exit 0"), "run settle"),
            ("ask", [FileAt("/a"), FileAt("/a"), SwitchAtWork("/b")], "ask FileAt /a SwitchAtWork"),
            ("write_file", "/v/receipts/7-install.json", "write_file /v/receipts/install.json"),
        ],
    )
    def test_a_name_is_what_is_done_and_where(self, method: str, argument: object, name: str) -> None:
        assert name_of(method, (argument,)) == name


BEFORE_IT, WANTED = State(b"old", ""), State(f"new {CURRENT}".encode(), "g1")


def seen(state: State, *wrong: str) -> Seen:
    return Seen(state, ("c1",), state.declares, wrong)


class TestVerdict:
    def test_what_is_in_force_tells_before_from_wanted(self) -> None:
        assert verdict(seen(BEFORE_IT), BEFORE_IT, WANTED, -9) == (AS_BEFORE, "")
        assert verdict(seen(WANTED), BEFORE_IT, WANTED, -9) == (AS_WANTED, "")
        # `current` is there already, and nothing names it yet.
        assert verdict(seen(State(b"old", "g1")), BEFORE_IT, WANTED, -9) == (AS_BEFORE, "")
        assert verdict(seen(State(b"x", "g2")), State(b"x", "g1"), State(b"x", "g2"), -9) == (AS_WANTED, "")

    def test_of_a_canary_its_own_link_tells(self) -> None:
        before, wanted = State(b"x", "g1"), State(b"x", "g1", tried="n1")
        assert verdict(seen(before), before, wanted, -9) == (AS_BEFORE, "")
        assert verdict(seen(wanted), before, wanted, 0) == (AS_WANTED, "")
        assert "the canary's `current`" in verdict(seen(State(b"x", "g1", tried="n2")), before, wanted, -9)[1]

    def test_of_a_gc_what_is_there_tells_and_half_of_it_is_as_before(self) -> None:
        before, half, wanted = (State(b"x", "g1", kept) for kept in (("R1", "R2", "g0"), ("R1", "R2"), ("R2",)))
        assert verdict(seen(before), before, wanted, -9) == (AS_BEFORE, "")
        assert verdict(seen(half), before, wanted, -9) == (AS_BEFORE, "")
        assert verdict(seen(wanted), before, wanted, -9) == (AS_WANTED, "")
        assert verdict(seen(half), before, wanted, 0)[0] == ELSE

    @pytest.mark.parametrize(
        ("found", "exit_code", "said"),
        [
            pytest.param(seen(State(b"half", "g1")), -9, "neither as before nor as wanted", id="half a file"),
            pytest.param(seen(State(b"old", "g3")), -9, "`current` leads to g3", id="another generation"),
            pytest.param(
                seen(BEFORE_IT, "containerd does not serve"), -9, "does not serve", id="it does not serve"
            ),
            pytest.param(seen(BEFORE_IT), 0, "all is done", id="it says done and is not"),
            pytest.param(seen(WANTED), 1, "all is as before", id="it says as before and is not"),
        ],
    )
    def test_anything_else_is_told(self, found: Seen, exit_code: int, said: str) -> None:
        outcome, wrong = verdict(found, BEFORE_IT, WANTED, exit_code)
        assert outcome == ELSE
        assert said in wrong


def test_the_sum_of_all_faults_is_the_last_line() -> None:
    tried = [
        Tried("kill -9", INSTALL, "after 3 (ask)", AS_BEFORE, "", -9, 1.0),
        Tried("kill -9", INSTALL, "after 9 (ask)", AS_WANTED, "", -9, 1.0),
        Tried("reboot", UPGRADE, "after 1 (ask)", ELSE, "containerd does not serve", 4, 1.0),
    ]
    lines = tally.table(tried)
    assert lines[-1] == "faults tried: 3, as before: 1, as wanted: 1, anything else: 1"
    assert "reboot, upgrade, after 1 (ask): containerd does not serve" in lines


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text() == page(), "python -m tests.lab.faults.document"
