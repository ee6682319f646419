"""A run under its receipt: on a node of this machine, and how it is closed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.engine import Fleet, Install, transaction
from nodeprov.errors import NodeprovError
from nodeprov.node.receipts import BEGUN, History, from_json, to_json
from nodeprov.plan.plan import ADOPT, INSTALL, ROLLBACK, STAGE, UNINSTALL, Action, Outcome, Plan
from nodeprov.plan.steps import Event, Restart
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState
from tests.support.memory_host import MemoryHost
from tests.support.played_node import HOME, PlayedNode
from tests.support.samples import a_run, receipt_of, settings


def test_a_failed_run_has_uncordoned_what_an_interrupted_one_had_cordoned() -> None:
    """So that the next one leaves alone what an operator cordons in between."""
    host: Any = MemoryHost()
    broken = replace(receipt_of(1, "uninstall", state=BEGUN), cordons=True)
    failed = Outcome(Plan("worker1", UNINSTALL, ()), error=NodeprovError("it failed"))
    record = transaction.Record(receipt_of(2, "uninstall", state=BEGUN), broken, is_pending=False)
    transaction._close(failed, record, host, settings(), "2026-09-05T10:00:00+00:00")
    written = host.members[f"/var/lib/nodeprov/receipts/{broken.name}"]
    assert isinstance(written, FileState)
    found = from_json(json.loads(written.content))
    assert History("runsc", "", (found,)).interrupted == found
    assert not found.cordons


@pytest.mark.parametrize(
    ("broken", "action", "ended"),
    [
        pytest.param(ADOPT, INSTALL, "done", id="what it found before it is not forgotten"),
        pytest.param(INSTALL, ADOPT, "done", id="nor the other way round"),
        pytest.param(INSTALL, STAGE, "begun", id="the next install finishes it"),
        pytest.param(UNINSTALL, STAGE, "undone", id="an uninstall is not finished by it"),
        pytest.param(UNINSTALL, INSTALL, "undone", id="nor by an install"),
        pytest.param(INSTALL, ROLLBACK, "undone", id="nothing was built on it"),
    ],
)
def test_how_an_interrupted_run_has_ended_is_known_when_the_next_one_has(
    broken: Action, action: Action, ended: str
) -> None:
    found = receipt_of(1, broken.name, state=BEGUN)
    record = transaction.Record(receipt_of(2, action.name, state=BEGUN), found, is_pending=False)
    host: Any = MemoryHost()
    transaction._close(Outcome(Plan("worker1", action, ())), record, host, settings(), "2026-09-05T10:00:00+00:00")
    written = host.members.get(f"/var/lib/nodeprov/receipts/{found.name}")
    assert (json.loads(written.content)["state"] if written else "begun") == ended


def test_the_receipt_is_open_as_long_as_the_run_is_and_nobody_can_have_worked_in_between(
    fleet: Fleet, node: PlayedNode
) -> None:
    plans, late = fleet.plan(Install(GVISOR)).good, fleet.plan(Install(GVISOR)).good
    seen: list[dict[str, str]] = []
    (outcome,) = fleet.apply(plans, a_run(lambda _event: seen.append(node.receipts())))
    assert outcome.exit_code == 0
    assert {"".join(each.values()) for each in seen} == {"begun"}
    assert node.receipts() == {"install": "done"}
    before = node.listing()
    (refused,) = fleet.apply(late, a_run())
    assert "another run has worked on this node since the plan was made" in str(refused.error)
    assert (refused.exit_code, node.listing(), node.receipts()) == (1, before, {"install": "done"})


def test_what_an_interrupted_run_has_left_is_swept_away_and_its_receipt_closed(
    fleet: Fleet, node: PlayedNode
) -> None:
    machine = fleet.plan(Install(GVISOR)).good[0].state.machine.machine_id
    broken = replace(receipt_of(1, "uninstall", state=BEGUN), machine_id=machine)
    left = f"{HOME}/etc/.config.toml.nodeprov-0123abcd"
    node.said(
        f"mkdir -p {HOME}/state/receipts && echo 'password' > {left}\n"
        f"cat > {HOME}/state/receipts/{broken.name} <<'END'\n{json.dumps(to_json(broken))}\nEND"
    )
    (outcome,) = fleet.apply(fleet.plan(Install(GVISOR)).good, a_run())
    assert outcome.error is None
    assert node.receipts() == {"uninstall": "undone", "install": "done"}, "an install does not finish an uninstall"
    assert left not in node.said(f"ls -A {HOME}/etc")


def test_a_receipt_that_cannot_be_closed_leaves_the_node_between_two_states(
    fleet: Fleet, node: PlayedNode
) -> None:
    def spoil(event: Event) -> None:
        if isinstance(event.step, Restart):
            node.said(f"cd {HOME}/state && rm -rf receipts && touch receipts")

    (outcome,) = fleet.apply(fleet.plan(Install(GVISOR)).good, a_run(spoil))
    assert outcome.exit_code == 4
    (left,) = outcome.left
    assert left.startswith("the receipt could not be closed")
