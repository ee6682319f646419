"""Goals become changes where what is differs from what is wanted."""

from __future__ import annotations

from nodeprov.plan.files import Folder, Link
from nodeprov.plan.goal import Change, Goal, constant, decide
from nodeprov.states import LinkState, PresentState

LINK, OTHER = Link("/a"), Link("/b")


def test_a_goal_that_is_reached_is_no_change_and_the_others_keep_their_order() -> None:
    goals = [
        Goal(OTHER, constant(LinkState("x")), "why"),
        Goal(LINK, constant(None)),
        Goal(Link("/c"), constant(None)),
    ]
    states = {"link:/a": LinkState("y"), "link:/b": None, "link:/c": None}
    assert decide(goals, states) == (
        Change(OTHER, None, LinkState("x"), "why"),
        Change(LINK, LinkState("y"), None),
    )


def test_a_target_may_depend_on_what_is_there() -> None:
    def longer(state: LinkState | None) -> LinkState:
        return LinkState(f"{state.target if state else ''}+")

    (change,) = decide([Goal(LINK, longer)], {"link:/a": LinkState("x")})
    assert change.after == LinkState("x+")


def test_only_the_removal_of_what_is_collected_waits_until_nothing_needs_it() -> None:
    assert Change(Folder("/a"), PresentState(), None).collects
    assert Change(Link("/a", collected=True), LinkState("x"), None).collects
    assert not Change(Link("/a", collected=True), None, LinkState("x")).collects
    assert not Change(LINK, LinkState("x"), None).collects
