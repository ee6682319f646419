"""Which nodes are begun: laws that hold for any fleet, and the order in which one goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.turns import Standing, Turn, turn
from nodeprov.dispatch.views import NodeView
from nodeprov.engine.rollout import CONTROL_PLANE, ZONE
from nodeprov.engine.waves import limit
from nodeprov.engine.window import Experience, Schedule
from nodeprov.inventory import RolloutSettings
from tests.support.dispatching import IN_POOL, last, node

NOW = "2026-11-28T12:00:00+00:00"


def standing(nodes: list[NodeView]) -> Standing:
    due = [each.name for each in nodes if each.last is None and not each.claim and each.is_ready]
    return Standing({each.name: each for each in nodes}, due, {each.name for each in nodes if each.claim}, "r1")


def begun(nodes: list[NodeView], now: str = NOW, **rollout: Any) -> Turn:
    settings = RolloutSettings(**rollout)
    return turn(standing(nodes), settings, Schedule(settings, Experience({}, "install")), now)


def fresh(name: str, zone: str = "", *, controls: bool = False, **fields: Any) -> NodeView:
    labels = {**IN_POOL, **({ZONE: zone} if zone else {}), **({CONTROL_PLANE: ""} if controls else {})}
    return node(name, labels=labels, **fields)


def claimed(of: NodeView) -> NodeView:
    return replace(of, labels={**of.labels, CLAIM: "r1"})


def ended(of: NodeView, result: str = "done", at: str = NOW) -> NodeView:
    labels = {key: value for key, value in of.labels.items() if key != CLAIM}
    return replace(of, labels=labels, last=last(result=result, at=at))


def test_one_node_after_the_other_by_default() -> None:
    one, two = fresh("n1"), fresh("n2")
    assert begun([one, two]).nodes == ("n1",)
    assert begun([claimed(one), two]).nodes == ()
    assert begun([ended(one), two]).nodes == ("n2",)


def test_the_default_does_not_ask_how_the_others_are() -> None:
    assert begun([fresh("n1"), fresh("n2", is_cordoned=True), fresh("n3", is_ready=False)]).nodes == ("n1",)


def test_what_is_out_of_service_takes_room() -> None:
    nodes = [fresh(f"n{number}") for number in range(5)]
    assert begun(nodes, max_unavailable="3").nodes == ("n0", "n1", "n2")
    nodes[4] = replace(nodes[4], is_ready=False)
    assert begun(nodes, max_unavailable="3").nodes == ("n0", "n1")
    nodes[0] = claimed(nodes[0])
    assert begun(nodes, max_unavailable="3").nodes == ("n1",)


def test_where_too_many_are_out_of_service_it_is_said_which() -> None:
    found = begun([fresh("n1"), fresh("n2", is_ready=False), fresh("n3", is_cordoned=True)], max_unavailable="1")
    assert found.nodes == ()
    assert "n2 (not ready), n3 (cordoned)" in found.why_not
    assert found.is_over


def test_after_too_many_failures_no_other_node_is_begun() -> None:
    nodes = [ended(fresh("n1"), "failed"), fresh("n2")]
    assert begun(nodes) == Turn(why_not="n1 failed", is_over=True)
    assert begun(nodes, max_failures=2).nodes == ("n2",)


def test_canaries_go_first_soak_and_are_tested_once_more_before_the_others_follow() -> None:
    rollout: dict[str, Any] = {"canary": 1, "soak_seconds": 60, "max_unavailable": "3"}
    later = "2026-11-28T12:01:00+00:00"
    one, *rest = [fresh(f"n{number}") for number in range(4)]
    assert begun([one, *rest], **rollout).nodes == ("n0",)
    assert begun([claimed(one), *rest], **rollout) == Turn(why_not="the canary nodes are being changed")
    soaking = begun([ended(one), *rest], **rollout)
    assert soaking == Turn(why_not="the canary nodes soak until 2026-11-28 12:01:00 UTC")
    again = Turn(("n0",), "the canary nodes are tested once more")
    assert begun([ended(one), *rest], now=later, **rollout) == again
    assert begun([claimed(ended(one)), *rest], now=later, **rollout).nodes == ()
    soaked = replace(one, last=last(at=later, soaked="yes"))
    assert begun([soaked, *rest], now=later, **rollout).nodes == ("n1", "n2", "n3")


def test_a_canary_that_is_tested_again_is_counted_once() -> None:
    """Its write may have been answered, or seen by the watch, while the step that made it is still under way."""
    one, two, three = ended(fresh("n1")), fresh("n2"), fresh("n3")
    rollout = RolloutSettings(canary=1, soak_seconds=60, max_unavailable="3")
    seen = Standing({each.name: each for each in (one, two, three)}, ["n2", "n3"], {"n1"}, "r1")
    assert seen.begun == 1
    later = "2026-11-28T12:01:00+00:00"
    found = turn(seen, rollout, Schedule(rollout, Experience({}, "install")), later)
    assert found == Turn(why_not="the canary nodes are being changed")


@pytest.mark.parametrize("at", ["", "soon", "2026-11-28T12:00:00", "2026-13-01T00:00:00+00:00"])
def test_a_time_that_somebody_has_edited_stops_no_rollout(at: str) -> None:
    rollout: dict[str, Any] = {"canary": 1, "soak_seconds": 60}
    assert begun([ended(fresh("n1"), at=at), fresh("n2")], **rollout).nodes == ("n1",)


def test_canaries_without_a_soak_time_are_tested_once() -> None:
    one, *rest = [fresh(f"n{number}") for number in range(3)]
    assert begun([ended(one), *rest], canary=1, max_unavailable="3").nodes == ("n1", "n2")


def test_two_zones_are_not_changed_at_the_same_time() -> None:
    nodes = [fresh("n1", "a"), fresh("n2", "b"), fresh("n3", "a")]
    assert begun(nodes, max_unavailable="3").nodes == ("n1", "n3")
    assert begun([claimed(nodes[0]), *nodes[1:]], max_unavailable="3").nodes == ("n3",)
    assert begun([claimed(nodes[0]), nodes[1]], max_unavailable="2").nodes == ()
    assert begun(nodes, max_unavailable="3", allow_two_zones=True).nodes == ("n1", "n2", "n3")


def test_the_control_plane_comes_last_and_one_by_one() -> None:
    master, other, worker = fresh("m1", controls=True), fresh("m2", controls=True), fresh("n1")
    assert begun([master, worker], max_unavailable="3").nodes == ("n1",)
    assert begun([master, claimed(worker)], max_unavailable="3").nodes == ()
    assert begun([master, other, ended(worker)], max_unavailable="3").nodes == ("m1",)
    assert begun([claimed(master), other], max_unavailable="3").nodes == ()


def test_nothing_is_begun_while_the_window_is_closed() -> None:
    found = begun([fresh("n1")], window="02:00-04:00")
    assert found == Turn(why_not="the window is closed until 2026-11-29 02:00", is_over=True)
    assert begun([fresh("n1")], now="2026-11-28T02:30:00+00:00", window="02:00-04:00").nodes == ("n1",)


def test_nothing_is_begun_that_would_not_be_done_in_the_window() -> None:
    found = begun([fresh("n1")], now="2026-11-28T03:59:00+00:00", window="02:00-04:00")
    assert found == Turn(why_not="the window closes before another node would be done", is_over=True)


fleets = st.lists(
    st.builds(
        lambda zone, controls, is_ready, is_cordoned, state: (zone, controls, is_ready, is_cordoned, state),
        st.sampled_from(["", "a", "b"]),
        st.booleans(),
        st.sampled_from([True, True, True, False]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from(["due", "due", "due", "done", "failed"]),
    ),
    max_size=12,
)
rollouts = st.builds(
    RolloutSettings,
    canary=st.integers(0, 3),
    max_unavailable=st.sampled_from([None, "1", "2", "3", "50%"]),
    max_failures=st.just(100),
    allow_two_zones=st.booleans(),
)


def _fleet(drawn: list[Any]) -> list[NodeView]:
    nodes = []
    for number, (zone, controls, is_ready, is_cordoned, state) in enumerate(drawn):
        each = fresh(f"n{number}", zone, controls=controls, is_ready=is_ready, is_cordoned=is_cordoned)
        nodes.append(each if state == "due" else ended(each, state))
    return nodes


@given(fleets, rollouts, st.randoms(use_true_random=False))
def test_laws_of_every_turn_until_none_is_left(drawn: list[Any], rollout: RolloutSettings, random: Any) -> None:
    nodes = _fleet(drawn)
    most = limit(rollout, len(nodes))
    schedule = Schedule(rollout, Experience({}, "install"))
    for _ in range(4 * len(nodes) + 4):
        stands = standing(nodes)
        found = turn(stands, rollout, schedule, NOW)
        going = [each for each in nodes if each.claim]
        assert set(found.nodes) <= set(stands.due)
        if found.nodes:
            new = [each for each in nodes if each.name in found.nodes]
            gone = {each.name for each in nodes if each.unavailable or each.claim}
            costly = [each for each in new if each.name not in gone]
            if rollout.max_unavailable:
                assert not costly or len(gone) + len(costly) <= most
            else:
                assert len(new) + len(going) == 1
            both = [*new, *going]
            assert rollout.allow_two_zones or len({each.labels.get(ZONE) for each in both}) == 1
            assert len(both) == 1 or not any(CONTROL_PLANE in each.labels for each in both)
            ordinary = [name for name in stands.due if CONTROL_PLANE not in stands.nodes[name].labels]
            assert not (ordinary and any(CONTROL_PLANE in each.labels for each in new))
        nodes = [claimed(each) if each.name in found.nodes else each for each in nodes]
        now_going = [each.name for each in nodes if each.claim]
        if not now_going:
            assert not stands.due or found.why_not
            return
        done = random.choice(now_going)
        nodes = [ended(each) if each.name == done else each for each in nodes]
    raise AssertionError("it does not come to an end")


def test_what_is_staged_goes_to_many_nodes_at_a_time_whatever_a_rollout_says() -> None:
    nodes = [fresh(f"n{number:03}", zone=f"z{number % 2}") for number in range(120)]
    rollout = RolloutSettings(max_unavailable="1", canary=1, window="03:00-04:00")
    schedule = Schedule(rollout, Experience({}, "install"))
    stands = replace(standing(nodes), stages=True)
    assert len(turn(stands, rollout, schedule, NOW).nodes) == 100
    assert (
        len(
            turn(
                replace(stands, changing={f"other-{number}" for number in range(99)}), rollout, schedule, NOW
            ).nodes
        )
        == 1
    )


def test_no_more_is_staged_where_that_has_failed() -> None:
    failed = replace(fresh("n1"), staged=last(action="stage", result="failed"))
    stands = replace(standing([failed, fresh("n2")]), due=["n2"], stages=True)
    rollout = RolloutSettings()
    found = turn(stands, rollout, Schedule(rollout, Experience({}, "install")), NOW)
    assert (found.nodes, found.why_not, found.is_over) == ((), "n1 failed", True)
