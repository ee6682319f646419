"""What somebody else installed is adopted and given back; of the node all but systemd and containerd is real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.engine import Fleet, Install, Planned, Uninstall, Want
from nodeprov.engine.context import this_user
from nodeprov.engine.rehearsal import rehearse
from nodeprov.errors import NodeprovError
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import parse
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event, Restart
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import CONFIG, HOME, INVENTORY, PlayedNode
from tests.support.samples import a_run, release, short

BIN = f"{HOME}/usr/bin"
SHIM = "containerd-shim-runsc-v1"
TABLE = f"""
# by hand
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runsc]
  runtime_type = 'io.containerd.runsc.v1' # gVisor
  runtime_path = '{BIN}/{SHIM}'
  pod_annotations = ['dev.gvisor.*']
  runtime_root = ''
"""
THEIRS = f"{CONFIG}{TABLE}"
RESTART = f"sleep 1.1; {HOME}/bin/systemctl restart containerd.service"
ADOPT, INSTALL, UNINSTALL = Install(GVISOR, adopts=True), Install(GVISOR), Uninstall(GVISOR)


@pytest.fixture
def fleet(node: PlayedNode, tmp_path: Path) -> Iterator[Fleet]:
    """A node on which somebody has installed the programs and written a table, that containerd has loaded."""
    (one,) = parse(INVENTORY, "nodeprov.toml").nodes
    # The link for people would lie where their runsc is.
    one = replace(one, settings=replace(one.settings, paths=replace(one.settings.paths, bin=BIN)))
    node.said(
        f"mkdir -p {BIN}; printf 'x release-20260518.0 x' | tee {BIN}/runsc > {BIN}/{SHIM}; chmod 755 {BIN}/*; "
        f"cat > {HOME}/etc/config.toml <<'END'\n{THEIRS}END\n{RESTART}"
    )
    made = release(tmp_path, "20260905.0", b"#!/bin/sh\n")
    with LocalNode("worker1", enter=node.enter) as hosts:
        yield Fleet([one], hosts, lambda *_: made)


def planned(fleet: Fleet, want: Want) -> Planned:
    plans = fleet.plan(want)
    for error in plans.errors:
        raise error
    return plans.good[0]


def done(fleet: Fleet, want: Want) -> Outcome:
    (outcome,) = fleet.apply([planned(fleet, want)], a_run())
    assert (outcome.exit_code, outcome.error) == (0, None), outcome
    return outcome


def killed(fleet: Fleet, want: Want, *, at: str) -> None:
    """Have a run killed where it begins, or has done, its restart: before the swap, or after it."""

    def kill(event: Event) -> None:
        if isinstance(event.step, Restart) and event.phase == at:
            os._exit(9)

    if not (child := os.fork()):
        try:
            list(fleet.apply([planned(fleet, want)], a_run(kill)))
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


BEFORE, AFTER = "begun", "done"


def test_an_install_refuses_and_says_what_takes_it_over(fleet: Fleet) -> None:
    with pytest.raises(NodeprovError) as caught:
        planned(fleet, INSTALL)
    assert "a runtime handler 'runsc' is there that nodeprov did not write" in str(caught.value)
    assert "nodeprov adopt NODE" in str(caught.value)
    assert f"{BIN}/runsc exists and was not installed by nodeprov" in str(caught.value)


def test_a_plan_says_what_is_adopted_and_what_becomes_of_it(fleet: Fleet, node: PlayedNode) -> None:
    plan = planned(fleet, ADOPT).plan
    said = "\n".join(plan.notes)
    assert f"gVisor was installed here by something else: {BIN}/{SHIM} (release 20260518.0), {BIN}/runsc" in said
    assert f"{BIN}/runsc is not nodeprov's and stays" in said
    assert "uninstall worker1` puts their table back" in said
    assert plan.action.name == "adopt"
    assert plan.restart is not None
    assert f"link:{BIN}/runsc" not in [change.resource.key for change in plan.changes]
    assert node.config() == THEIRS


def test_their_table_becomes_ours_and_comes_back_to_the_byte(fleet: Fleet, node: PlayedNode) -> None:
    before = node.listing()
    done(fleet, ADOPT)
    config = node.config()
    assert config.startswith(CONFIG)
    assert f"{HOME}/opt/handlers/runsc/current/{SHIM}" in config
    assert "pod_annotations = ['dev.gvisor.*']" in config.replace('"', "'")
    assert f"{BIN}/{SHIM}" not in config
    assert node.receipts()["adopt"] == "done"
    for want in (INSTALL, ADOPT):
        assert short(planned(fleet, want).plan.parts, {}) == []
    done(fleet, UNINSTALL)
    assert (node.config(), node.listing()) == (THEIRS, before)
    assert planned(fleet, UNINSTALL).plan.steps == ()


def test_what_others_write_meanwhile_stays_and_their_table_comes_back_all_the_same(
    fleet: Fleet, node: PlayedNode
) -> None:
    done(fleet, ADOPT)
    node.said(f"printf '\\n[debug]\\nlevel = \"info\"\\n' >> {HOME}/etc/config.toml")
    done(fleet, UNINSTALL)
    assert node.config() == f'{THEIRS}\n[debug]\nlevel = "info"\n'


def test_what_an_interrupted_adoption_has_changed_is_given_back_too(fleet: Fleet, node: PlayedNode) -> None:
    done(fleet, ADOPT)
    receipts = f"{HOME}/state/receipts"
    node.said(f'sed -i \'s/"state": *"done"/"state": "begun"/\' {receipts}/*adopt*')
    assert node.receipts()["adopt"] == "begun"
    node.said(f"sed -i '1i # of another tool' {HOME}/etc/config.toml")
    done(fleet, UNINSTALL)
    assert node.config() == f"# of another tool\n{THEIRS}"


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([(UNINSTALL, BEFORE)], id="an uninstall, killed before the swap"),
        pytest.param([(UNINSTALL, AFTER)], id="an uninstall, killed after it"),
        pytest.param([(UNINSTALL, BEFORE)] * 2, id="two of them"),
        pytest.param([(UNINSTALL, AFTER), (ADOPT, ""), (UNINSTALL, BEFORE)], id="and adopted again"),
        pytest.param([(UNINSTALL, BEFORE), (INSTALL, "")], id="and installed again"),
    ],
)
def test_whatever_was_killed_before_it_their_table_comes_back_to_the_byte(
    fleet: Fleet, node: PlayedNode, runs: list[tuple[Want, str]]
) -> None:
    before = node.listing()
    done(fleet, ADOPT)
    for want, at in runs:
        if at:
            killed(fleet, want, at=at)
        else:
            done(fleet, want)
    done(fleet, UNINSTALL)
    assert (node.config(), node.listing()) == (THEIRS, before)


@pytest.mark.parametrize("at", [BEFORE, AFTER])
def test_an_upgrade_that_was_killed_in_between_is_no_matter_of_theirs(
    fleet: Fleet, node: PlayedNode, at: str
) -> None:
    before = node.listing()
    done(fleet, ADOPT)
    (one,) = fleet.nodes
    strict = replace(one, settings=replace(one.settings, runtime=replace(one.settings.runtime, strict=True)))
    killed(fleet.only([strict]), INSTALL, at=at)
    done(fleet, UNINSTALL)
    assert (node.config(), node.listing()) == (THEIRS, before)


@pytest.mark.parametrize("at", [BEFORE, AFTER])
def test_an_adoption_that_was_killed_is_finished_by_the_next_and_comes_back_to_the_byte(
    fleet: Fleet, node: PlayedNode, at: str
) -> None:
    before = node.listing()
    killed(fleet, ADOPT, at=at)
    done(fleet, INSTALL if at == AFTER else ADOPT)
    done(fleet, UNINSTALL)
    assert (node.config(), node.listing()) == (THEIRS, before)


def test_the_commands_of_an_adoption_can_be_listed_and_nothing_runs(fleet: Fleet, node: PlayedNode) -> None:
    plan, before = planned(fleet, ADOPT), node.listing()
    commands = rehearse(plan, fleet.hosts.of(plan.node), this_user())
    assert [each.what for each in commands.doing].count("a receipt") == 2
    assert commands.undoing
    assert node.listing() == before


def test_an_adoption_that_fails_leaves_theirs(fleet: Fleet, node: PlayedNode) -> None:
    before = node.listing()
    node.said(f"sed -i 's/echo \"Linux version.*/exit 1 ;;/' {HOME}/bin/ctr")
    (outcome,) = fleet.apply([planned(fleet, ADOPT)], a_run())
    assert outcome.exit_code == 1
    assert (node.config(), outcome.left) == (THEIRS, ())
    assert "20260518.0" in node.said(f"cat {BIN}/runsc")
    assert [line for line in node.listing().splitlines() if "config.toml" in line] == [
        line for line in before.splitlines() if "config.toml" in line
    ]


def test_where_nothing_is_to_be_adopted_it_is_an_install_and_says_so(fleet: Fleet, node: PlayedNode) -> None:
    node.said(f"rm {BIN}/*; sed -i '/^# by hand/,$d' {HOME}/etc/config.toml; {RESTART}")
    said = "\n".join(planned(fleet, ADOPT).plan.notes)
    assert "nothing of somebody else's is here to be adopted" in said


def test_another_runtime_of_that_name_is_not_adopted(fleet: Fleet, node: PlayedNode) -> None:
    node.said(f"sed -i 's/io.containerd.runsc.v1/io.containerd.kata.v2/' {HOME}/etc/config.toml; {RESTART}")
    for want in (ADOPT, INSTALL):
        with pytest.raises(NodeprovError) as caught:
            planned(fleet, want)
        assert "[runtime] handler" in str(caught.value)
        assert "nodeprov adopt" not in str(caught.value)
