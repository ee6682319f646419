"""A canary: another release beside the main one, begun, made the main one and taken away without a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.diagnosis.status import read
from nodeprov.engine import Fleet, Gc, Install, Planned, Uninstall, Want, saved_plan, transaction
from nodeprov.engine.context import this_user, utc_now
from nodeprov.errors import UsageError
from nodeprov.hosts.base import Place
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import Inventory, Node, ReleaseSettings, parse
from nodeprov.plan.plan import Outcome, Plan
from nodeprov.plan.steps import Event
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import HOME, INVENTORY, PlayedNode
from tests.support.samples import a_run, release

OLD, NEW = "20260518.0", "20260905.0"
TEXT = INVENTORY.replace(NEW, OLD)
START = Install(GVISOR, is_canary=True)
Fleets = Callable[[Node], Fleet]


def whole(text: str = TEXT) -> Inventory:
    return parse(text, "nodeprov.toml")


def main_of(text: str = TEXT) -> Node:
    return whole(text).nodes[0]


def canary_of(text: str = TEXT) -> Node:
    found = main_of(text).canary(NEW)
    assert found is not None
    return found


@pytest.fixture
def fleet_of(node: PlayedNode, tmp_path: Path) -> Iterator[Fleets]:
    made = {
        each: release(tmp_path / each, each, content=f"#!/bin/sh\necho {each}\n".encode()) for each in (OLD, NEW)
    }
    assert node.restarts() == 1
    with LocalNode("worker1", enter=node.enter) as hosts:

        def obtained(_software: object, wanted: ReleaseSettings, _architecture: str) -> object:
            return made[wanted.version]

        yield lambda one: Fleet((one,), hosts, obtained)  # type: ignore[arg-type]  # it is a release


def planned(fleet: Fleet, want: Want) -> Planned:
    plans = fleet.plan(want)
    assert not plans.errors, [str(each) for each in plans.errors]
    return plans.good[0]


def plan_of(fleet: Fleet, want: Want) -> Plan:
    return planned(fleet, want).plan


def done(fleet: Fleet, want: Want) -> Outcome:
    (outcome,) = fleet.apply([planned(fleet, want)], a_run())
    assert outcome.error is None, str(outcome.error)
    return outcome


def killed(fleet: Fleet, want: Want, *, at: Callable[[Event], bool] = lambda _event: False) -> None:
    """Have a run killed at an event, or else where all is done and its receipt is about to be closed."""

    def kill(*said: object) -> None:
        os._exit(9)

    if not (child := os.fork()):
        try:
            transaction._close = kill  # type: ignore[assignment]  # of this child alone
            list(fleet.apply([planned(fleet, want)], a_run(lambda event: kill() if at(event) else None)))
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def current(node: PlayedNode, handler: str) -> str:
    return node.said(f"cat {HOME}/opt/handlers/{handler}/current/runsc.toml 2>/dev/null || :")


def test_a_first_install_declares_the_canary_s_table_in_the_same_edit(fleet_of: Fleets, node: PlayedNode) -> None:
    before = node.listing()
    done(fleet_of(main_of()), Install(GVISOR))
    assert "runtimes.runsc]" in node.config()
    assert "runtimes.runsc-next]" in node.config()
    assert node.restarts() == 2
    assert not plan_of(fleet_of(main_of()), Install(GVISOR)).pending
    done(fleet_of(main_of()), Uninstall(GVISOR))
    assert node.listing() == before


def test_it_begins_is_promoted_and_ends_without_a_restart(fleet_of: Fleets, node: PlayedNode) -> None:
    before = node.listing()
    done(fleet_of(main_of()), Install(GVISOR))
    alone = node.listing()
    begun = done(fleet_of(canary_of()), START)
    assert [(each.handler, each.restarts) for each in begun.plan.handlers] == [("runsc-next", False)]
    assert (OLD in current(node, "runsc"), NEW in current(node, "runsc-next")) == (True, True)
    assert not plan_of(fleet_of(canary_of()), START).pending
    assert not plan_of(fleet_of(main_of()), Install(GVISOR)).pending

    plan = plan_of(fleet_of(main_of(INVENTORY)), Install(GVISOR))
    assert (plan.upload_bytes, plan.restart) == (0, None)
    done(fleet_of(main_of(INVENTORY)), Install(GVISOR))
    assert NEW in current(node, "runsc")
    done(fleet_of(main_of()), Install(GVISOR))

    done(fleet_of(canary_of()), Uninstall(GVISOR))
    assert node.restarts() == 2
    assert current(node, "runsc-next") == ""
    assert "runtimes.runsc-next]" in node.config()
    done(fleet_of(replace_keep(main_of())), Install(GVISOR))
    done(fleet_of(main_of()), Uninstall(GVISOR))
    assert node.listing() == before
    assert alone != before


def replace_keep(node: Node) -> Node:
    return replace(node, settings=replace(node.settings, release=replace(node.settings.release, keep=0)))


def test_what_it_leaves_is_what_the_first_install_left(fleet_of: Fleets, node: PlayedNode) -> None:
    done(fleet_of(main_of()), Install(GVISOR))
    alone = node.listing()
    done(fleet_of(canary_of()), START)
    done(fleet_of(canary_of()), Uninstall(GVISOR))
    assert node.listing() == alone


def test_a_node_that_is_installed_without_the_table_is_edited_for_a_canary_alone(
    fleet_of: Fleets, node: PlayedNode
) -> None:
    without = TEXT.replace("[paths]", "[runtime]\ncanary = false\n[paths]")
    before = node.listing()
    done(fleet_of(main_of(without)), Install(GVISOR))
    assert "runsc-next" not in node.config()
    assert not plan_of(fleet_of(main_of()), Install(GVISOR)).pending
    assert main_of(without).canary() is None
    plan = plan_of(fleet_of(canary_of()), START)
    assert plan.restart is not None
    done(fleet_of(canary_of()), START)
    assert node.restarts() == 3
    done(fleet_of(canary_of()), Uninstall(GVISOR))
    assert plan_of(fleet_of(canary_of()), START).restart is None
    assert node.restarts() == 3
    done(fleet_of(main_of()), Uninstall(GVISOR))
    assert node.listing() == before


def test_an_uninstall_takes_the_canary_too(fleet_of: Fleets, node: PlayedNode) -> None:
    before = node.listing()
    done(fleet_of(main_of()), Install(GVISOR))
    done(fleet_of(canary_of()), START)
    outcome = done(fleet_of(main_of()), Uninstall(GVISOR))
    assert [each.handler for each in outcome.plan.handlers] == ["runsc-next", "runsc"]
    assert node.restarts() == 3
    assert node.listing() == before


def test_a_canary_s_run_that_was_killed_blocks_no_uninstall_of_the_node(
    fleet_of: Fleets, node: PlayedNode
) -> None:
    before = node.listing()
    done(fleet_of(main_of()), Install(GVISOR))
    killed(fleet_of(canary_of()), START, at=lambda _event: True)
    assert node.receipts() == {"install": "done", "canary": "begun"}
    done(fleet_of(main_of()), Uninstall(GVISOR))
    assert node.listing() == before

    done(fleet_of(main_of()), Install(GVISOR))
    done(fleet_of(canary_of()), START)
    killed(fleet_of(canary_of()), Uninstall(GVISOR))
    assert node.receipts()["uninstall"] == "begun"
    (refused,) = fleet_of(main_of()).plan(Gc(GVISOR)).errors
    assert "nodeprov canary abort worker1 finishes it" in str(refused)
    done(fleet_of(main_of()), Uninstall(GVISOR))
    assert node.listing() == before
    assert not plan_of(fleet_of(main_of()), Uninstall(GVISOR)).pending


def test_a_saved_plan_of_a_node_with_a_canary_can_be_carried_out(fleet_of: Fleets, node: PlayedNode) -> None:
    done(fleet_of(main_of()), Install(GVISOR))
    done(fleet_of(canary_of()), START)
    seen = planned(fleet_of(main_of()), Uninstall(GVISOR))
    saved = saved_plan.saved(whole(), [seen], this_user(), utc_now(), Uninstall(GVISOR))
    (again,) = parse(saved.inventory, "x.plan", options=saved_plan.settings_of_then(saved)).nodes
    assert (again.settings.runtime.handler, [*again.handlers]) == ("runsc", [])
    assert saved_plan.changes(saved, [planned(fleet_of(again), Uninstall(GVISOR))]) == ()


@pytest.mark.parametrize(
    ("want", "typed"),
    [
        (Install(GVISOR), "nodeprov canary start worker1 --release 20260905.0"),
        (Uninstall(GVISOR), "nodeprov canary abort worker1"),
        (Gc(GVISOR), "nodeprov gc worker1 --handler runsc-next"),
    ],
)
def test_a_plan_of_a_canary_alone_is_not_saved(fleet_of: Fleets, want: Want, typed: str) -> None:
    done(fleet_of(main_of()), Install(GVISOR))
    seen = planned(fleet_of(canary_of()), want)
    with pytest.raises(UsageError, match=f"a plan of a canary alone cannot be saved\nhint: .* {typed}$"):
        saved_plan.saved(whole(), [seen], this_user(), utc_now(), want)


def test_status_tells_of_it(fleet_of: Fleets) -> None:
    done(fleet_of(main_of()), Install(GVISOR))

    def canary() -> str:
        fleet = fleet_of(main_of())
        (found,) = fleet.each(lambda one, hosts: read(one, hosts[Place.NODE], GVISOR)).good
        assert found.differences == ()
        return found.canary.release if found.canary else ""

    assert canary() == ""
    done(fleet_of(canary_of()), START)
    assert canary().startswith(NEW)
    done(fleet_of(canary_of()), Uninstall(GVISOR))
    assert canary() == ""


def test_where_the_receipts_were_lost_its_table_goes_with_the_main_one_too(
    fleet_of: Fleets, node: PlayedNode
) -> None:
    before = node.config()
    done(fleet_of(main_of()), Install(GVISOR))
    node.said(f"rm -r {HOME}/state/receipts")
    done(fleet_of(replace_keep(main_of())), Install(GVISOR))
    done(fleet_of(main_of()), Uninstall(GVISOR))
    assert node.config() == before
