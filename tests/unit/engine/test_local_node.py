"""The engine on the node itself: an install and an uninstall, whole, with neither SSH nor a command line."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.engine import Fleet, Install, Uninstall
from nodeprov.errors import Cancelled
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event, Restart
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import PlayedNode
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
