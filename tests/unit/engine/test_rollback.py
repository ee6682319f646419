"""Back to what is on a node: on a node of which all but systemd and containerd is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.diagnosis import status
from nodeprov.engine import Fleet, Gc, Install, Planned, Rollback, Uninstall, Want, saved_plan
from nodeprov.engine.rehearsal import rehearse
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import parse
from nodeprov.plan.plan import Outcome
from nodeprov.reports.outcome import outcome_json, outcome_text
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import HOME, INVENTORY, PlayedNode
from tests.support.samples import AUTHOR, a_run, release, short

OLD, NEW, NEWEST = "20260518.0", "20260905.0", "20261005.0"
CURRENT = f"{HOME}/opt/handlers/runsc/current"
Wanting = Callable[..., Fleet]


@pytest.fixture
def wanting(node: PlayedNode, tmp_path: Path) -> Iterator[Wanting]:
    """The fleet of an inventory that wants a release."""
    (one,) = parse(INVENTORY, "nodeprov.toml").nodes
    with LocalNode("worker1", enter=node.enter) as hosts:

        def wanting(version: str = NEW, **tables: Any) -> Fleet:
            tables = {"release": {"version": version, **tables.pop("release", {})}, **tables}
            settings = one.settings
            for name, values in tables.items():
                settings = replace(settings, **{name: replace(getattr(settings, name), **values)})
            made = release(tmp_path, version, f"#!/bin/sh\n# {version}\n".encode())
            return Fleet([replace(one, settings=settings)], hosts, lambda *_: made)

        yield wanting


def planned(fleet: Fleet, want: Want) -> Planned:
    plans = fleet.plan(want)
    for error in plans.errors:
        raise error
    return plans.good[0]


def done(fleet: Fleet, want: Want) -> Outcome:
    (outcome,) = fleet.apply([planned(fleet, want)], a_run())
    assert (outcome.exit_code, outcome.error) == (0, None), outcome
    return outcome


def installed(wanting: Wanting, *versions: str, **tables: Any) -> Fleet:
    for version in versions:
        done(wanting(version, **tables), Install(GVISOR))
    return wanting(versions[-1], **tables)


def kinds(plan: Planned) -> list[str]:
    return [" ".join(each.split(":")[0].split()[:2]) for each in short(plan.plan.parts, {})]


def in_force(node: PlayedNode) -> str:
    return node.said(f"readlink {CURRENT}/runsc").split("/")[-2].partition("-")[0]


def refused(fleet: Fleet, want: Want) -> str:
    with pytest.raises(NodeprovError) as caught:
        planned(fleet, want)
    return str(caught.value)


ROLLBACK, INSTALL, GC = Rollback(GVISOR), Install(GVISOR), Gc(GVISOR)


def test_it_is_one_rename_to_the_generation_before_without_a_restart(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    config, restarts = node.config(), node.restarts()
    plan = planned(fleet, ROLLBACK)
    assert kinds(plan) == ["proof sandbox", "~ link"]
    assert (plan.release.partition("-")[0], plan.plan.restart) == (OLD, None)
    assert any(note.startswith(f"back to {plan.release}, from {NEW}-") for note in plan.plan.notes)
    assert in_force(node) == NEW
    outcome = done(fleet, ROLLBACK)
    assert (in_force(node), node.config(), node.restarts()) == (OLD, config, restarts)
    assert node.receipts()["rollback"] == "done"
    assert outcome.node_seconds is not None
    assert 0 < outcome.node_seconds < 30
    assert " s by the node's clock" in outcome_text(outcome).splitlines()[0]
    assert outcome_json(outcome)["node_seconds"] == round(outcome.node_seconds, 2)
    (found,) = fleet.each(lambda each, hosts: status.read(each, hosts[Place.NODE], GVISOR)).good
    assert (found.damage, found.is_settled, found.release.partition("-")[0]) == ((), True, OLD)


def test_who_has_gone_back_stays_there_when_it_is_said_again(wanting: Wanting, node: PlayedNode) -> None:
    """A fleet of which some nodes have gone back already is told again: none goes forward by that."""
    fleet = installed(wanting, OLD, NEW)
    done(fleet, ROLLBACK)
    again = planned(fleet, ROLLBACK)
    assert again.plan.steps == ()
    said = "\n".join(again.plan.notes)
    assert "is in force, since ann@desk went back to it at" in said
    assert "nodeprov install worker1 --forward" in said
    assert in_force(node) == OLD


def test_an_install_does_not_undo_it_unless_that_is_wanted(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    done(fleet, ROLLBACK)
    said = refused(fleet, INSTALL)
    assert f"ann@desk rolled this node back to {OLD}-" in said
    assert f'set [release] version = "{OLD}"' in said
    assert "nodeprov install worker1 --forward" in said
    assert not planned(wanting(OLD), INSTALL).plan.pending
    assert planned(wanting(NEWEST), INSTALL).plan.pending, "another release is no return to what was left"
    forward = wanting(NEW, rollout={"after_rollback": "forward"})
    plan = planned(forward, INSTALL)
    assert any(note.startswith("this goes forward again from the rollback of") for note in plan.plan.notes)
    assert kinds(plan) == ["proof sandbox", "~ link", "proof sandbox"]
    done(forward, INSTALL)
    assert in_force(node) == NEW
    assert not planned(fleet, INSTALL).plan.pending, "nobody is held any more"


def test_a_release_or_a_generation_on_the_node_can_be_named(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW, NEWEST, release={"keep": 2})
    done(fleet, Rollback(GVISOR, OLD))
    assert in_force(node) == OLD
    held = refused(fleet, INSTALL)
    assert "rolled this node back" in held
    name = node.said(f"ls {HOME}/opt/releases").split()[1]
    done(fleet, Rollback(GVISOR, name))
    assert in_force(node) == NEW
    said = refused(fleet, Rollback(GVISOR, "20250101.0"))
    assert "20250101.0 is not on the node, and a rollback fetches nothing" in said
    assert f"{OLD}-" in said
    assert "nodeprov install worker1 --set release.version=20250101.0" in said


def test_what_was_the_first_has_nothing_before_it(wanting: Wanting) -> None:
    fleet = installed(wanting, NEW)
    assert "it is the first one on this node" in refused(fleet, ROLLBACK)


def test_where_nothing_is_installed_there_is_nothing_to_go_back_from(wanting: Wanting) -> None:
    assert "nothing is installed for the handler runsc" in refused(wanting(), ROLLBACK)


def test_what_was_removed_cannot_be_gone_back_to(wanting: Wanting) -> None:
    fleet = installed(wanting, OLD, NEW, release={"keep": 0})
    said = refused(fleet, ROLLBACK)
    assert f"of release {OLD}-" in said
    assert "is not on the node any more" in said
    assert f"nodeprov install worker1 --set release.version={OLD}" in said


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (f"echo x | tee -a {HOME}/opt/releases/{OLD}-*/runsc", "is not the file that was installed"),
        (f"rm {HOME}/opt/releases/{OLD}-*/containerd-shim-runsc-v1", "is missing"),
        (f"chmod 0644 {HOME}/opt/releases/{OLD}-*/runsc", "has the mode 0644, not 0755"),
        (
            f"for each in {HOME}/opt/releases/{OLD}-*; do touch $each/x; done",
            "has files that were not installed: x",
        ),
    ],
)
def test_what_is_damaged_is_not_gone_back_to(wanting: Wanting, node: PlayedNode, damage: str, told: str) -> None:
    fleet = installed(wanting, OLD, NEW)
    node.said(damage)
    before = node.listing()
    said = refused(fleet, ROLLBACK)
    assert "is damaged" in said
    assert told in said
    assert f"nodeprov install worker1 --set release.version={OLD}" in said
    assert node.listing() == before


def test_what_does_not_run_is_not_gone_back_to(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    node.said(f"sed -i 's/ run .*/ run \"*) false ;;/' {HOME}/bin/ctr")
    before = node.listing()
    (outcome,) = fleet.apply([planned(fleet, ROLLBACK)], a_run())
    assert outcome.exit_code == 1
    assert (node.listing(), in_force(node)) == (before, NEW)
    assert node.receipts()["rollback"] == "undone"


def test_an_uninstall_after_it_leaves_nothing(wanting: Wanting, node: PlayedNode) -> None:
    before = node.listing()
    fleet = installed(wanting, OLD, NEW)
    done(fleet, ROLLBACK)
    done(fleet, Uninstall(GVISOR))
    assert node.listing() == before


def test_strict_handlers_restart_and_name_the_generation_itself(wanting: Wanting, node: PlayedNode) -> None:
    before = node.listing()
    strict = {"runtime": {"strict": True}}
    fleet = installed(wanting, OLD, **strict)
    old = node.said(f"readlink {CURRENT}").strip()
    assert f"handlers/runsc/{old}/containerd-shim-runsc-v1" in node.config()
    assert f"handlers/runsc/{old}/runsc.toml" in node.config()
    assert not planned(fleet, INSTALL).plan.pending
    upgrade = planned(wanting(NEW, **strict), INSTALL)
    assert upgrade.plan.restart is not None
    fleet = installed(wanting, NEW, **strict)
    restarts = node.restarts()
    assert f"handlers/runsc/{old}/" not in node.config()
    (found,) = fleet.each(lambda each, hosts: status.read(each, hosts[Place.NODE], GVISOR)).good
    assert found.damage == ()
    back = planned(wanting(NEW), ROLLBACK)
    assert back.plan.restart is not None, "the node's table counts, whatever the inventory says by now"
    done(fleet, ROLLBACK)
    assert f"handlers/runsc/{old}/containerd-shim-runsc-v1" in node.config()
    assert (node.restarts(), in_force(node)) == (restarts + 1, OLD)
    done(wanting(OLD), INSTALL)
    assert "handlers/runsc/current/containerd-shim-runsc-v1" in node.config()
    done(fleet, Uninstall(GVISOR))
    assert node.listing() == before


def test_gc_removes_what_nobody_needs_and_says_for_whom_the_rest_is(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW, NEWEST, release={"keep": 5})
    plan = planned(fleet, GC)
    assert not plan.plan.pending
    assert sorted(note.partition(": ")[2] for note in plan.plan.notes) == [
        "it is in force",
        "it was in force before",
        "it was in force before",
    ]
    one = wanting(NEWEST, release={"keep": 1})
    plan = planned(one, GC)
    assert kinds(plan) == ["- folder", "- folder"]
    assert all(OLD not in note for note in plan.plan.notes)
    done(one, GC)
    assert [name.partition("-")[0] for name in node.said(f"ls {HOME}/opt/releases").split()] == [NEW, NEWEST]
    assert node.receipts()["gc"] == "done"
    assert not planned(one, GC).plan.pending
    done(one, ROLLBACK)
    assert in_force(node) == NEW


def test_gc_keeps_what_is_staged(wanting: Wanting, node: PlayedNode) -> None:
    from nodeprov.engine.staging import staged

    installed(wanting, OLD)
    fleet = wanting(NEW)
    list(fleet.apply([staged(planned(fleet, INSTALL))], a_run()))
    plan = planned(fleet, GC)
    assert not plan.plan.pending
    assert any(": staged by ann@desk at" in note for note in plan.plan.notes)


NULL = "/run/containerd/runsc/k8s.io/null-netns"


@pytest.mark.parametrize(
    ("times", "busy"),
    [(1, False), (3, False), (1, True)],
    ids=["idle", "mounted by sandboxes that began at once", "a container's state is there too"],
)
def test_gc_frees_what_the_runtime_has_left_mounted_unless_it_is_in_use(
    wanting: Wanting, node: PlayedNode, times: int, busy: bool
) -> None:
    fleet = installed(wanting, NEW)
    node.said(f"mkdir -p {NULL.rpartition('/')[0]} && touch {NULL}")
    for _ in range(times):
        node.said(f"mount --bind {HOME}/bin/ctr {NULL}")
    if busy:
        node.said(f"touch {NULL.rpartition('/')[0]}/abc.state")
    plan = planned(fleet, GC)
    assert kinds(plan) == ([] if busy else ["- mount"])
    if not busy:
        done(fleet, GC)
        assert "null-netns" not in node.said("cat /proc/self/mounts")
        assert not planned(fleet, GC).plan.pending


def begun_again(node: PlayedNode, number: int) -> None:
    """Have a run's receipt look as if its controller had died at the end of it."""
    file = f"{HOME}/state/receipts/{number:06d}-*.json"
    node.said(f"""for each in {file}; do sed -i 's/"state": "done"/"state": "begun"/' $each; done""")


def test_an_upgrade_that_did_not_end_is_gone_back_from(wanting: Wanting, node: PlayedNode) -> None:
    before = node.listing()
    fleet = installed(wanting, OLD, NEW)
    begun_again(node, 2)
    plan = planned(fleet, ROLLBACK)
    assert any("did not end" in note for note in plan.plan.notes)
    done(fleet, ROLLBACK)
    assert in_force(node) == OLD
    assert node.receipts() == {"install": "done", "rollback": "done"}
    done(fleet, Uninstall(GVISOR))
    assert node.listing() == before


def test_a_rollback_that_did_not_end_is_finished_by_the_next_one(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    done(fleet, ROLLBACK)
    begun_again(node, 3)
    assert "rolled this node back" in refused(fleet, INSTALL), "it has come to the rename"
    done(fleet, ROLLBACK)
    assert (in_force(node), node.receipts()["rollback"]) == (OLD, "done")


def test_a_gc_waits_for_the_end_of_what_did_not_end(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW, release={"keep": 0})
    begun_again(node, 2)
    said = refused(fleet, GC)
    assert "an earlier install by ann@desk began at" in said
    assert "nodeprov install worker1 finishes it" in said


def test_an_uninstall_that_did_not_end_is_not_gone_back_from(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    done(fleet, Uninstall(GVISOR))
    begun_again(node, 3)
    assert "nodeprov uninstall worker1 finishes it" in refused(fleet, ROLLBACK)


def test_the_cluster_is_not_asked(wanting: Wanting, node: PlayedNode) -> None:
    from nodeprov.engine.transaction import of_action
    from nodeprov.plan.plan import GC as A_GC
    from nodeprov.plan.plan import ROLLBACK as A_ROLLBACK

    (one,) = wanting().nodes
    node_host = wanting().hosts.of(one)[Place.NODE]
    for action in (A_ROLLBACK, A_GC):
        assert [*of_action({Place.NODE: node_host, Place.CLUSTER: node_host}, action)] == [Place.NODE]


def test_it_can_be_planned_today_and_carried_out_tomorrow(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    want = Rollback(GVISOR, OLD)
    whole = replace(parse(INVENTORY, "nodeprov.toml"), nodes=tuple(fleet.nodes))
    saved = saved_plan.saved(whole, [planned(fleet, want)], AUTHOR, "2026-09-05T10:00:00+00:00", want)
    found = saved_plan.from_text(saved_plan.to_text(saved), "x.plan", AUTHOR.version)
    assert saved_plan.want_of(found, GVISOR) == want
    assert saved_plan.changes(found, [planned(fleet, want)]) == ()
    done(fleet, want)
    assert saved_plan.changes(found, [planned(fleet, want)]) == ()
    assert saved_plan.is_done(found, planned(fleet, want))


def test_every_command_of_it_can_be_seen_before(wanting: Wanting, node: PlayedNode) -> None:
    fleet = installed(wanting, OLD, NEW)
    plan = planned(fleet, ROLLBACK)
    hosts = fleet.hosts.of(plan.node)
    before = node.listing()
    listed = [each.script for each in rehearse(plan, hosts, AUTHOR).doing]
    assert node.listing() == before
    assert any(f"path={CURRENT}" in script for script in listed)
    assert not any("kubectl" in script for script in listed)
