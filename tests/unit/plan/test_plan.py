"""A plan as a value: what it is for, what it is made of, and how it ended."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import ACTIONS, INSTALL, Outcome, Plan, action_named
from nodeprov.plan.steps import Adopt, Drain, Handler, Restart, Serving, Swap, Unused
from nodeprov.states import FileState, LinkState, PresentState
from tests.support.samples import resource

OLD, NEW = FileState(b"old", 0o644), FileState(b"new", 0o644)


CONFIG = Change(resource("file:/etc/containerd/config.toml"), OLD, NEW)


CURRENT = Change(resource("link:/opt/nodeprov/handlers/runsc/current"), None, LinkState("a"))


RELEASE = Change(resource("folder:/opt/nodeprov/releases/r"), PresentState(), None)


RESTART = Restart("containerd.service", ("to serve",))


def test_of_a_swap_each_change_the_restart_and_the_proof_are_told_one_by_one() -> None:
    swap = Swap((CONFIG,), RESTART, Serving())
    plan = Plan("worker1", INSTALL, (CURRENT, swap, RELEASE))
    assert plan.steps == (CURRENT, swap, RELEASE)
    assert plan.parts == (CURRENT, CONFIG, RESTART, Serving(), RELEASE)
    assert plan.changes == (CURRENT, CONFIG, RELEASE)
    assert plan.restart is RESTART


def test_what_only_looks_changes_nothing_and_all_else_is_pending() -> None:
    looks = (Unused(), Handler())
    assert not Plan("worker1", INSTALL, looks).pending
    for step in (CURRENT, Swap((), RESTART, Serving()), Drain(("a/b",)), Adopt((CURRENT,))):
        assert Plan("worker1", INSTALL, (*looks, step)).pending


def test_only_the_removal_of_what_containers_may_need_waits_until_the_end() -> None:
    made = Change(resource("tree:/opt/nodeprov/releases/r"), None, PresentState())
    removed = Change(resource("link:/usr/local/bin/runsc"), LinkState("a"), None)
    assert [change.collects for change in (RELEASE, made, removed, CONFIG)] == [True, False, False, False]


@pytest.mark.parametrize("name", ["", "reboot", None, 1])
def test_what_no_action_is_called_is_none(name: object) -> None:
    assert action_named(name) is None


def test_an_action_is_found_by_the_name_that_receipts_hold() -> None:
    assert [action_named(action.name) for action in ACTIONS] == list(ACTIONS)
    assert action_named("destroy") is None
    assert action_named(["install"]) is None


@pytest.mark.parametrize(
    ("error", "left", "code"),
    [
        (None, (), 0),
        (NodeprovError("it is full"), (), 1),
        (UsageError("no such thing"), (), 2),
        (NodeprovError("it is full"), ("/etc/x: somebody else has changed it since",), 4),
        (None, ("/etc/x",), 4),
    ],
)
def test_a_node_between_two_states_counts_more_than_what_failed(
    error: NodeprovError | None, left: tuple[str, ...], code: int
) -> None:
    assert Outcome(Plan("worker1", INSTALL, ()), error=error, left=left).exit_code == code
