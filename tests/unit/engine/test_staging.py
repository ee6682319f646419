"""What is staged before a window: on a node of which all but systemd and containerd is real."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.diagnosis import status
from nodeprov.diagnosis.status_text import text
from nodeprov.engine import Fleet, Install, Planned, Uninstall
from nodeprov.engine.rollout import Rollout
from nodeprov.engine.staging import staged
from nodeprov.hosts.base import Place
from nodeprov.inventory import RolloutSettings
from nodeprov.plan.plan import STAGE, Outcome
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import PlayedNode
from tests.support.samples import a_run, short


def plan(fleet: Fleet) -> Planned:
    plans = fleet.plan(Install(GVISOR))
    assert not plans.errors, plans.errors
    return plans.good[0]


def carried_out(fleet: Fleet, planned: Planned) -> Outcome:
    (outcome,) = fleet.apply([planned], a_run())
    assert (outcome.exit_code, outcome.error) == (0, None)
    return outcome


def kinds(planned: Planned) -> list[str]:
    said = short(planned.plan.parts, {})
    return [" ".join(each.split(":")[0].split()[:2]) for each in said]


def test_what_is_staged_is_found_by_the_install_and_removed_by_the_uninstall(
    fleet: Fleet, node: PlayedNode
) -> None:
    before, config = node.listing(), node.config()
    whole = plan(fleet)
    stage = staged(whole)
    assert (stage.plan.action, stage.plan.restart) == (STAGE, None)
    assert kinds(stage) == ["+ tree", "+ file", "+ link", "+ link", "proof sandbox"]
    carried_out(fleet, stage)
    assert (node.config(), node.restarts(), node.receipts()) == (config, 1, {"stage": "done"})

    left = plan(fleet)
    assert not staged(left).plan.pending
    assert left.plan.restart == whole.plan.restart
    assert [*stage.plan.changes, *left.plan.changes] == [*whole.plan.changes]
    carried_out(fleet, left)
    assert node.restarts() == 2
    assert not plan(fleet).plan.pending
    carried_out(fleet, fleet.plan(Uninstall(GVISOR)).good[0])
    assert node.listing() == before


def test_it_goes_again_where_nothing_is_installed_after_it(fleet: Fleet, node: PlayedNode) -> None:
    before = node.listing()
    carried_out(fleet, staged(plan(fleet)))
    (found,) = fleet.each(lambda each, hosts: status.read(each, hosts[Place.NODE], GVISOR)).good
    assert text(found, "2036-11-28T04:47:40+00:00").startswith(
        "worker1: runsc: nothing is installed; containerd serves\n  last run: stage 1 "
    )
    assert found.is_settled
    carried_out(fleet, fleet.plan(Uninstall(GVISOR)).good[0])
    assert node.listing() == before


def test_what_another_generation_replaces_is_collected(fleet: Fleet, node: PlayedNode) -> None:
    carried_out(fleet, staged(plan(fleet)))
    (one,) = fleet.nodes
    other = replace(
        one, settings=replace(one.settings, runtime=replace(one.settings.runtime, flags={"debug": "1"}))
    )
    others = Fleet([other], fleet.hosts, fleet._releases)
    found = plan(others)
    collected = [each.resource.path for each in found.plan.changes if each.collects]
    assert [path.rsplit("/", 2)[1] for path in collected] == ["runsc"]
    carried_out(others, found)
    assert len(node.said("ls /srv/played/opt/handlers/runsc").split()) == 2  # current, and what it leads to


def test_the_window_is_for_what_comes_after(fleet: Fleet, node: PlayedNode) -> None:
    settings = RolloutSettings(window="02:00-04:00")
    assert Rollout([staged(plan(fleet))], settings).schedule.window is None
    assert Rollout([plan(fleet)], settings).schedule.window is not None
    assert node.restarts() == 1
