"""A plan as a value: what it is made of, and what is told of it."""

from __future__ import annotations

from nodeprov.plan.action import INSTALL
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Plan
from nodeprov.plan.proof import Handler, Serving, Unused
from nodeprov.plan.steps import Adopt, Drain, Restart, Swap
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
