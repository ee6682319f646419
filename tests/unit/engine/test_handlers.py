"""Several handlers on one node by one inventory: one run, one restart, and what they share is counted by owner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodeprov.diagnosis.doctor import examine
from nodeprov.diagnosis.status import read
from nodeprov.engine import Fleet, Gc, Install, Rollback, Uninstall, Want, saved_plan
from nodeprov.engine.context import this_user, utc_now
from nodeprov.engine.rehearsal import rehearse
from nodeprov.engine.staging import staged
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import parse
from nodeprov.inventory.selection import Selection
from nodeprov.plan.plan import Outcome, Plan
from nodeprov.plan.steps import Event, Proof, Restart, Sandbox
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import HOME, INVENTORY, PlayedNode
from tests.support.samples import a_run, release

TWO = INVENTORY.replace('bin = ""', f'bin = "{HOME}/usr"') + '[handlers.runsc-kvm]\nplatform = "ptrace"\n'
Fleets = Callable[..., Fleet]


@pytest.fixture
def fleet_of(node: PlayedNode, tmp_path: Path) -> Iterator[Fleets]:
    """A fleet of the played node, by an inventory, and of one handler if it is named."""
    node.said(f"mkdir -p {HOME}/usr")
    made = release(tmp_path, content=b"#!/bin/sh\n")
    with LocalNode("worker1", enter=node.enter) as hosts:

        def fleet(handler: str = "", text: str = TWO) -> Fleet:
            nodes = Selection(("worker1",), handler=handler).of(parse(text, "nodeprov.toml"), lambda: None)
            return Fleet(nodes, hosts, lambda _software, _wanted, _architecture: made)

        yield fleet


def plan_of(fleet: Fleet, want: Want) -> Plan:
    plans = fleet.plan(want)
    assert not plans.errors, [str(each) for each in plans.errors]
    return plans.good[0].plan


def done(fleet: Fleet, want: Want, *, heard: Callable[[Event], None] = lambda _event: None) -> Outcome:
    plans = fleet.plan(want)
    assert not plans.errors, [str(each) for each in plans.errors]
    (outcome,) = fleet.apply(plans.good, a_run(heard))
    assert outcome.error is None, str(outcome.error)
    return outcome


def test_both_are_installed_by_one_restart_and_all_is_taken_back_by_another(
    fleet_of: Fleets, node: PlayedNode
) -> None:
    fleet, before = fleet_of(), node.listing()
    outcome = done(fleet, Install(GVISOR))
    assert [(each.handler, each.restarts) for each in outcome.plan.handlers] == [
        ("runsc", True),
        ("runsc-kvm", True),
    ]
    assert node.restarts() == 2
    assert "runtimes.runsc]" in node.config()
    assert "runtimes.runsc-kvm]" in node.config()
    assert 'platform = "ptrace"' in node.said(f"cat {HOME}/opt/handlers/runsc-kvm/current/runsc.toml")
    assert 'platform = "systrap"' in node.said(f"cat {HOME}/opt/handlers/runsc/current/runsc.toml")
    assert len(node.said(f"ls {HOME}/opt/releases").splitlines()) == 1
    again = plan_of(fleet, Install(GVISOR))
    assert not again.pending
    assert [each.changes for each in again.handlers] == [(), ()]
    done(fleet, Uninstall(GVISOR))
    assert node.restarts() == 3
    assert node.listing() == before


def test_every_sandbox_is_proven_before_anything_can_be_seen(fleet_of: Fleets) -> None:
    plan = plan_of(fleet_of(), Install(GVISOR))
    names = ["proof" if isinstance(part, Proof) else type(part).__name__ for part in plan.parts]
    proofs = [part.title for part in plan.parts if isinstance(part, Sandbox)]
    assert proofs == [
        "a sandbox runs through the new generation",
        "a sandbox runs through the new generation (runsc-kvm)",
        "a sandbox runs through `current`",
        "a sandbox runs through `current` (runsc-kvm)",
    ]
    (restart,) = [number for number, part in enumerate(plan.parts) if isinstance(part, Restart)]
    assert [number < restart for number, name in enumerate(names) if name == "proof"] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(("leaving", "staying"), [("runsc-kvm", "runsc"), ("runsc", "runsc-kvm")])
def test_one_that_leaves_takes_nothing_from_the_other(
    fleet_of: Fleets, node: PlayedNode, leaving: str, staying: str
) -> None:
    before = node.listing()
    done(fleet_of(), Install(GVISOR))
    done(fleet_of(leaving), Uninstall(GVISOR))
    assert f"runtimes.{staying}]" in node.config()
    assert f"runtimes.{leaving}]" not in node.config()
    assert node.said(f"ls {HOME}/opt/handlers") == f"{staying}\n"
    assert node.said(f"readlink {HOME}/usr/runsc").strip() == f"{HOME}/opt/handlers/{staying}/current/runsc"
    assert len(node.said(f"ls {HOME}/opt/releases").splitlines()) == 1
    assert not plan_of(fleet_of(staying), Install(GVISOR)).pending
    done(fleet_of(staying), Uninstall(GVISOR))
    assert node.listing() == before


def test_one_whose_uninstall_was_killed_at_its_end_holds_nothing_for_the_other(
    fleet_of: Fleets, node: PlayedNode
) -> None:
    """Its receipt is open and nothing of it is left: the link for people is given back all the same."""
    before = node.listing()
    done(fleet_of(), Install(GVISOR))
    done(fleet_of("runsc"), Uninstall(GVISOR))
    node.said(f"""sed -i 's/"state": *"done"/"state": "begun"/' {HOME}/state/receipts/*uninstall*""")
    assert node.receipts()["uninstall"] == "begun"
    done(fleet_of(), Uninstall(GVISOR))
    assert node.listing() == before
    assert node.said(f"ls {HOME}/usr") == ""


def test_the_one_that_is_missing_comes_to_the_one_that_is_there(fleet_of: Fleets, node: PlayedNode) -> None:
    done(fleet_of("runsc"), Install(GVISOR))
    alone = node.listing()
    plan = plan_of(fleet_of(), Install(GVISOR))
    assert [(each.handler, bool(each.changes)) for each in plan.handlers] == [
        ("runsc", False),
        ("runsc-kvm", True),
    ]
    done(fleet_of(), Install(GVISOR))
    assert node.restarts() == 3
    done(fleet_of("runsc-kvm"), Uninstall(GVISOR))
    assert node.listing() == alone


def test_a_failure_takes_both_back(fleet_of: Fleets, node: PlayedNode) -> None:
    fleet, before = fleet_of(), node.listing()

    def fails(event: Event) -> None:
        if isinstance(event.step, Sandbox) and "`current` (runsc-kvm)" in event.step.title:
            raise NodeprovError("on purpose")

    (outcome,) = fleet.apply(fleet.plan(Install(GVISOR)).good, a_run(fails))
    assert (str(outcome.error), outcome.left) == ("worker1: on purpose", ())
    assert node.listing() == before
    assert "runsc" not in node.config()


def test_flags_of_one_change_without_a_restart_and_are_rolled_back(fleet_of: Fleets, node: PlayedNode) -> None:
    done(fleet_of(), Install(GVISOR))
    other = f'{TWO}flags = {{ debug = "true" }}\n'
    outcome = done(fleet_of("", other), Install(GVISOR))
    assert [bool(each.changes) for each in outcome.plan.handlers] == [False, True]
    assert node.restarts() == 2
    toml = f"cat {HOME}/opt/handlers/runsc-kvm/current/runsc.toml"
    assert "debug" in node.said(toml)
    (refused,) = fleet_of().plan(Rollback(GVISOR)).errors
    assert "runsc: there is no generation before" in str(refused)
    done(fleet_of("runsc-kvm"), Rollback(GVISOR))
    assert "debug" not in node.said(toml)
    assert not plan_of(fleet_of(), Gc(GVISOR)).pending
    with_none = TWO.replace('version = "20260905.0"', 'version = "20260905.0"\nkeep = 0')
    outcome = done(fleet_of("", with_none), Gc(GVISOR))
    assert [len(each.changes) for each in outcome.plan.handlers] == [0, 1]


def test_the_commands_of_all_can_be_listed_and_nothing_runs(fleet_of: Fleets, node: PlayedNode) -> None:
    fleet, before = fleet_of(), node.listing()
    planned = fleet.plan(Install(GVISOR)).good[0]
    commands = rehearse(planned, fleet.hosts.of(planned.node), this_user())
    told = [each.what for each in commands.doing]
    assert told.count("a receipt") == 4
    assert commands.undoing
    assert node.listing() == before


def test_what_needs_no_restart_can_be_staged_for_all(fleet_of: Fleets, node: PlayedNode) -> None:
    fleet = fleet_of()
    (outcome,) = fleet.apply([staged(each) for each in fleet.plan(Install(GVISOR)).good], a_run())
    assert (outcome.error, outcome.plan.restart) == (None, None)
    assert node.said(f"ls {HOME}/opt/handlers").split() == ["runsc", "runsc-kvm"]
    assert "runsc" not in node.config()
    done(fleet_of(), Install(GVISOR))
    assert node.restarts() == 2


def test_a_saved_plan_of_all_is_read_back_as_the_same(fleet_of: Fleets) -> None:
    planned = fleet_of().plan(Install(GVISOR)).good
    text = parse(TWO, "nodeprov.toml")
    saved = saved_plan.saved(text, planned, this_user(), utc_now(), Install(GVISOR))
    again = fleet_of("", saved.inventory).plan(saved_plan.want_of(saved, GVISOR))
    assert not again.errors
    assert saved_plan.changes(saved, again.good) == ()


def test_doctor_and_status_look_at_each(fleet_of: Fleets) -> None:
    fleet = fleet_of()
    done(fleet, Install(GVISOR))
    examined = fleet.each_view(lambda view, hosts: examine(view, hosts, GVISOR, time.time))
    stand = fleet.each_view(lambda view, hosts: read(view, hosts[Place.NODE], GVISOR))
    assert (len(examined.good), examined.errors, stand.errors) == (2, [], [])
    assert [(each.handler, each.is_settled) for each in stand.good] == [("runsc", True), ("runsc-kvm", True)]
