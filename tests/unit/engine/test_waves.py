"""The waves of a rollout: who goes with whom, and when; what holds for any nodes, and some seen closely."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.engine.waves import Member, Wave, limit, waves
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import RolloutSettings

Found = tuple[tuple[Member, ...], RolloutSettings, tuple[Wave, ...]]
SHARES = st.one_of(st.none(), st.integers(1, 9).map(str), st.integers(1, 100).map(lambda each: f"{each}%"))


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Member, ...]:
    count = draw(st.integers(1, 14))
    return tuple(
        Member(
            name=f"n{number}",
            is_due=draw(st.booleans()),
            restarts=draw(st.booleans()),
            zone=draw(st.sampled_from(("", "a", "b"))),
            controls=draw(st.sampled_from((False, False, True))),
            comes_last=draw(st.sampled_from((False, False, False, True))),
            unavailable=draw(st.sampled_from(("", "", "", "not ready"))),
        )
        for number in range(count)
    )


@st.composite
def rollouts(draw: st.DrawFn) -> Found:
    """A fleet, settings that are possible with it, and its waves."""
    members = draw(fleets())
    settings = RolloutSettings(
        canary=draw(st.integers(0, len(members))),
        max_unavailable=draw(SHARES),
        max_parallel=draw(st.one_of(st.none(), st.integers(1, 4))),
        allow_two_zones=draw(st.booleans()),
    )
    try:
        return members, settings, waves(members, settings)
    except NodeprovError:
        gone = [each for each in members if each.unavailable]
        assert len(gone) >= limit(settings, len(members))
        assert settings.max_unavailable
        brought_back = tuple(replace(each, unavailable="") for each in members)
        return brought_back, settings, waves(brought_back, settings)


def named(members: tuple[Member, ...], wave: Wave) -> list[Member]:
    return [each for each in members if each.name in wave.nodes]


@given(rollouts())
def test_every_node_that_is_due_is_in_one_wave_and_no_other_node_in_any(found: Found) -> None:
    members, _, made = found
    placed = [name for wave in made for name in wave.nodes]
    assert sorted(placed) == sorted(each.name for each in members if each.is_due)


@given(rollouts())
def test_never_more_are_out_of_service_than_is_allowed(found: Found) -> None:
    members, settings, made = found
    allowed = limit(settings, len(members))
    gone = {each.name for each in members if each.unavailable} if settings.max_unavailable else set()
    for wave in made:
        restarting = {each.name for each in named(members, wave) if each.restarts}
        if restarting - gone:
            assert len(gone | restarting) <= allowed


@given(rollouts())
def test_two_zones_never_restart_at_once_unless_they_may(found: Found) -> None:
    members, settings, made = found
    for wave in made:
        zones = {each.zone for each in named(members, wave) if each.restarts}
        assert settings.allow_two_zones or len(zones) <= 1


@given(rollouts())
def test_the_control_plane_comes_last_and_one_at_a_time(found: Found) -> None:
    members, _, made = found
    order = [each for wave in made for each in named(members, wave)]
    for wave in made:
        if any(each.controls for each in named(members, wave)):
            assert len(wave.nodes) == 1
    ordinary = [at for at, each in enumerate(order) if not (each.controls or each.comes_last)]
    controls = [at for at, each in enumerate(order) if each.controls]
    assert not ordinary or not controls or max(ordinary) < min(controls)


@given(rollouts())
def test_what_others_need_goes_behind_all_of_them_and_alone(found: Found) -> None:
    members, _, made = found
    order = [each.comes_last for wave in made for each in named(members, wave)]
    assert order == sorted(order)
    for wave in made:
        assert len(wave.nodes) == 1 or not any(each.comes_last for each in named(members, wave))


@given(rollouts())
def test_canaries_are_the_first_and_as_many_as_there_can_be(found: Found) -> None:
    members, settings, made = found
    kinds = [wave.kind == "canary" for wave in made]
    assert kinds == sorted(kinds, reverse=True)
    canaries = [name for wave in made if wave.kind == "canary" for name in wave.nodes]
    due = [each for each in members if each.is_due]
    ordinary = [each for each in due if not (each.controls or each.comes_last)]
    assert len(canaries) == min(settings.canary, len(ordinary or due))


@given(fleets())
def test_by_default_nodes_go_one_after_the_other_whatever_is_out_of_service(members: tuple[Member, ...]) -> None:
    assert {len(wave.nodes) for wave in waves(members, RolloutSettings())} <= {1}


def nodes(*zones: str) -> tuple[Member, ...]:
    return tuple(Member(name=f"n{number}", zone=zone) for number, zone in enumerate(zones))


def said(members: tuple[Member, ...], settings: RolloutSettings) -> list[str]:
    return [f"{wave.kind}: {' '.join(wave.nodes)}" for wave in waves(members, settings)]


def test_the_order_of_the_inventory_is_kept_where_nothing_is_said() -> None:
    assert said(nodes("", "", ""), RolloutSettings()) == ["wave: n0", "wave: n1", "wave: n2"]


def test_canaries_are_of_those_that_restart_and_their_waves_are_no_larger_than_others() -> None:
    quiet, *loud = nodes("", "", "", "")
    members = (replace(quiet, restarts=False), *loud)
    assert said(members, RolloutSettings(canary=2)) == ["canary: n1", "canary: n2", "wave: n0", "wave: n3"]


def test_zone_by_zone() -> None:
    members = nodes("a", "b", "a", "b", "a")
    assert said(members, RolloutSettings(max_unavailable="2")) == ["wave: n0 n2", "wave: n1 n3", "wave: n4"]
    both = RolloutSettings(max_unavailable="2", allow_two_zones=True)
    assert said(members, both) == ["wave: n0 n1", "wave: n2 n3", "wave: n4"]


def test_what_restarts_nothing_goes_before_with_a_limit_of_its_own() -> None:
    members = tuple(replace(each, restarts=number > 3) for number, each in enumerate(nodes(*("ab" * 3))))
    settings = RolloutSettings(max_unavailable="1", max_parallel=3)
    assert said(members, settings) == ["wave: n0 n1 n2", "wave: n3", "wave: n4", "wave: n5"]


def test_a_part_of_them_is_rounded_down_and_at_least_one() -> None:
    quarter = RolloutSettings(max_unavailable="25%")
    assert [limit(quarter, total) for total in (1, 4, 7, 8, 24)] == [1, 1, 1, 2, 6]


def test_nodes_that_are_out_of_service_take_the_room_of_others_and_none_of_their_own() -> None:
    gone, *others = nodes("", "", "", "")
    members = (replace(gone, unavailable="cordoned"), *others)
    assert said(members, RolloutSettings(max_unavailable="2")) == ["wave: n0 n1", "wave: n2", "wave: n3"]
    waiting = (replace(gone, unavailable="cordoned", is_due=False), *others)
    assert said(waiting, RolloutSettings(max_unavailable="2")) == ["wave: n1", "wave: n2", "wave: n3"]


def test_where_no_room_is_left_nothing_is_begun() -> None:
    members = (*(replace(each, unavailable="not ready") for each in nodes("", "")), Member(name="n2"))
    with pytest.raises(NodeprovError) as refused:
        waves(members, RolloutSettings(max_unavailable="2"))
    assert str(refused.value) == (
        "n2: it would be one more that is out of service: [rollout] max_unavailable allows 2, and there are 2 "
        "already: n0 (not ready), n1 (not ready)\n"
        "hint: bring them back, leave this node out, or allow more: --max-unavailable 3"
    )
    assert said(members[:2], RolloutSettings(max_unavailable="2")) == ["wave: n0 n1"]


def test_more_canaries_than_nodes_are_refused() -> None:
    with pytest.raises(UsageError, match="canary is 3, and 2 nodes are named") as refused:
        waves(nodes("", ""), RolloutSettings(canary=3))
    assert refused.value.hint == "write --canary 1 or less, or name more nodes"
