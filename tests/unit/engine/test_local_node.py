"""The engine on the node itself: an install and an uninstall, whole, with neither SSH nor a command line."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest

from nodeprov.engine import Fleet, Install, Uninstall
from nodeprov.errors import Cancelled, RolledBack
from nodeprov.inventory import ProofSettings
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event, Restart
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import HOME, PlayedNode
from tests.support.samples import a_run


def installed(fleet: Fleet) -> Outcome:
    plans = fleet.plan(Install(GVISOR))
    assert not plans.errors, plans.errors
    (outcome,) = fleet.apply(plans.good, a_run())
    return outcome


def test_what_is_installed_is_all_taken_back(fleet: Fleet, node: PlayedNode) -> None:
    before = node.listing()
    heard: list[Event] = []
    uploaded: list[tuple[str, str]] = []
    run = replace(a_run(heard.append), on_upload=lambda node, what, _done, _total: uploaded.append((node, what)))
    plans = fleet.plan(Install(GVISOR))
    assert not plans.errors, plans.errors
    (outcome,) = fleet.apply(plans.good, run)
    assert (outcome.exit_code, outcome.error) == (0, None)
    assert "runtimes.runsc" in node.config()
    assert {event.node for event in heard} == {"worker1"}
    assert any(isinstance(event.step, Restart) for event in heard)
    assert uploaded == [("worker1", "containerd-shim-runsc-v1"), ("worker1", "runsc")]
    assert node.restarts() == 2
    assert not fleet.plan(Install(GVISOR)).good[0].plan.pending
    (outcome,) = fleet.apply(fleet.plan(Uninstall(GVISOR)).good, run)
    assert (outcome.exit_code, outcome.error) == (0, None)
    assert node.listing() == before


def test_a_run_that_is_cancelled_in_its_upload_leaves_the_node_as_it_was(fleet: Fleet, node: PlayedNode) -> None:
    run = a_run()
    run = replace(run, on_upload=lambda *_: run.cancel.cancel())
    before = node.listing()
    (outcome,) = fleet.apply(fleet.plan(Install(GVISOR)).good, run)
    assert isinstance(outcome.error, Cancelled)
    assert (outcome.exit_code, outcome.left) == (1, ())
    assert node.listing() == before
    assert node.restarts() == 1


def test_a_node_on_which_nothing_is_done_any_more_can_be_changed_again(fleet: Fleet, node: PlayedNode) -> None:
    """A run has let go of the lock, and watches no uploads."""
    run = a_run()
    run = replace(run, on_event=lambda _event: run.cancel.cancel())
    (outcome,) = fleet.apply(fleet.plan(Install(GVISOR)).good, run)
    assert isinstance(outcome.error, Cancelled)
    assert installed(fleet).exit_code == 0


SWITCH = f"{HOME}/state/switch/switch.sh"
BESIDE = f"#!/bin/sh\nexec 8>&-\n(sh {SWITCH} swap; sh {SWITCH} after) > /dev/null 2>&1 &\n"
"""systemd-run as it is: it comes back at once, and the switch goes on."""


class TestWhileTheNodeWatchesContainerd:
    """The sandbox behind a restart runs meanwhile; what it has seen counts when the node has kept the new file."""

    @pytest.fixture
    def fleet(self, fleet: Fleet) -> Fleet:
        """Have the node watch for so long that a sandbox ends within that also on a busy machine."""
        proof = ProofSettings(steady_seconds=4)
        return fleet.only([replace(node, settings=replace(node.settings, proof=proof)) for node in fleet.nodes])

    @pytest.fixture
    def runs(self, node: PlayedNode) -> Callable[[str], None]:
        """Say what becomes of a sandbox: shell, in which $n is how many have run with this one."""
        node.said(f"printf %s {shlex.quote(BESIDE)} > {HOME}/bin/systemd-run")

        def play(script: str) -> None:
            counted = f'echo "$n" >> {HOME}/sandboxes; n=$(wc -l < {HOME}/sandboxes); {script}'
            text = shlex.quote(_CTR.replace("SCRIPT", counted))
            node.said(f"cp {HOME}/bin/ctr {HOME}/bin/ctr.well; printf %s {text} > {HOME}/bin/ctr")

        return play

    def test_it_is_not_run_again_afterwards(
        self, fleet: Fleet, node: PlayedNode, runs: Callable[[str], None]
    ) -> None:
        runs(f"[ $n = 1 ] || ls {HOME}/state/switch > {HOME}/then")
        assert (installed(fleet).error, sandboxes(node)) == (None, 2)
        then = node.said(f"cat {HOME}/then").split()
        assert "answers" in then
        assert "decision" not in then

    def test_it_is_run_again_where_it_failed(
        self, fleet: Fleet, node: PlayedNode, runs: Callable[[str], None]
    ) -> None:
        runs("[ $n != 2 ] || exit 1")
        assert (installed(fleet).error, sandboxes(node)) == (None, 3)

    def test_all_is_taken_back_where_it_fails_afterwards_too(
        self, fleet: Fleet, node: PlayedNode, runs: Callable[[str], None]
    ) -> None:
        runs("[ $n = 1 ] || exit 1")
        before = node.listing()
        outcome = installed(fleet)
        assert "no sandbox runs through" in str(outcome.error)
        assert (outcome.exit_code, outcome.left, sandboxes(node)) == (1, (), 3)
        assert node.listing() == before

    def test_one_that_ran_well_and_broke_containerd_is_taken_back_by_the_node(
        self, fleet: Fleet, node: PlayedNode, runs: Callable[[str], None]
    ) -> None:
        runs(f"[ $n = 1 ] || : > {HOME}/broken")
        before = node.listing()
        outcome = installed(fleet)
        assert isinstance(outcome.error, RolledBack)
        assert (outcome.exit_code, outcome.left, sandboxes(node)) == (1, (), 2)
        assert node.listing() == before


_CTR = f"""#!/bin/sh
case "$*" in
    *" run "*) SCRIPT ;;
    *"plugins ls") # which serves again after the next restart
        if [ -e {HOME}/broken ]; then
            [ "$(wc -l < {HOME}/restarts)" -gt 2 ] || {{ echo "io.containerd.cri.v1 runtime - error"; exit; }}
        fi ;;
esac
exec {HOME}/bin/ctr.well "$@"
"""


def sandboxes(node: PlayedNode) -> int:
    """How many sandboxes have run."""
    return len(node.said(f"cat {HOME}/sandboxes").splitlines())
