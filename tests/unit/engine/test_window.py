"""When a window is open, by the clocks on the wall, and which nodes fit into it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.engine.window import SAFETY, UNKNOWN_SECONDS, Experience, Schedule, Window
from nodeprov.errors import NodeprovError
from nodeprov.inventory import RolloutSettings, parse
from nodeprov.node.receipts import Receipt
from tests.support.samples import receipt_of

BERLIN = "Europe/Berlin"
DAYS, FREEZE = "--set 'rollout.days=[]'", "--set 'rollout.freeze=[]'"
XMAS = ("2026-12-24/2027-01-02",)


def window(span: str | None, **said: Any) -> Window:
    made = Window.of(RolloutSettings(window=span, **said))
    assert made is not None
    return made


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def minutes_open(made: Window, begin: str, hours: int) -> list[str]:
    """The minutes, by UTC, at which it opens and closes within some hours."""
    start = utc(begin)
    moments = [start + timedelta(minutes=number) for number in range(hours * 60)]
    states = [made.closes(each) is not None for each in moments]
    changes = [each for each, was, now in zip(moments[1:], states, states[1:], strict=False) if was != now]
    return [f"{each:%H:%M}" for each in changes]


def test_without_a_window_there_is_none() -> None:
    assert Window.of(RolloutSettings()) is None
    assert Window.of(RolloutSettings(time_zone=BERLIN, days=("mon",))) is None


def test_it_is_open_from_its_begin_until_just_before_its_end() -> None:
    made = window("02:00-04:00")
    assert made.closes(utc("2026-11-28T01:59:59")) is None
    assert made.closes(utc("2026-11-28T02:00:00")) == utc("2026-11-28T04:00:00")
    assert made.seconds_left(utc("2026-11-28T03:59:59")) == 1
    assert made.closes(utc("2026-11-28T04:00:00")) is None


def test_it_is_meant_by_the_clocks_of_its_zone() -> None:
    assert minutes_open(window("02:00-04:00", time_zone=BERLIN), "2026-11-28T00:00", 12) == ["01:00", "03:00"]
    assert minutes_open(window("02:00-04:00", time_zone=BERLIN), "2026-07-27T22:00", 12) == ["00:00", "02:00"]


def test_over_midnight_it_belongs_to_the_day_on_which_it_begins() -> None:
    made = window("23:00-01:00", days=("fri",))
    assert made.closes(utc("2026-11-27T23:30")) == utc("2026-11-28T01:00")  # a Friday
    assert made.closes(utc("2026-11-28T00:30")) == utc("2026-11-28T01:00")
    assert made.closes(utc("2026-11-28T23:30")) is None
    assert made.closes(utc("2026-11-27T00:30")) is None


def test_until_the_end_of_the_day() -> None:
    assert minutes_open(window("22:00-24:00"), "2026-11-28T12:00", 20) == ["22:00", "00:00"]


class TestTheTwoNights:
    """In Berlin clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October."""

    @pytest.mark.parametrize(
        ("span", "opened"),
        [
            ("02:00-04:00", ["01:00", "02:00"]),  # one hour less
            ("01:00-02:30", ["00:00", "01:00"]),  # 02:30 is never shown: it ends when 03:00 is
            ("02:15-02:45", []),  # no such time
            ("02:30-03:30", ["01:00", "01:30"]),
        ],
    )
    def test_what_is_skipped_in_spring(self, span: str, opened: list[str]) -> None:
        assert minutes_open(window(span, time_zone=BERLIN), "2026-03-28T22:00", 10) == opened

    @pytest.mark.parametrize(
        ("span", "opened"),
        [
            ("02:00-04:00", ["00:00", "03:00"]),  # one hour more
            ("01:00-02:30", ["23:00", "00:30"]),  # it ends when 02:30 is shown for the first time
            ("02:15-02:45", ["00:15", "00:45"]),
            ("02:30-03:30", ["00:30", "02:30"]),
        ],
    )
    def test_what_comes_twice_in_autumn(self, span: str, opened: list[str]) -> None:
        assert minutes_open(window(span, time_zone=BERLIN), "2026-10-24T21:00", 10) == opened


class TestFrozen:
    def test_on_a_frozen_date_it_does_not_open_and_one_before_ends_at_midnight(self) -> None:
        made = window("23:00-02:00", freeze=("2026-12-24/2026-12-26", "2027-01-01"))
        assert made.closes(utc("2026-12-23T23:30")) == utc("2026-12-24T00:00")
        assert made.closes(utc("2026-12-24T00:30")) is None
        assert made.closes(utc("2026-12-26T23:30")) is None
        assert made.closes(utc("2026-12-27T23:30")) == utc("2026-12-28T02:00")
        assert made.opens(utc("2026-12-24T00:00")) == utc("2026-12-27T23:00")

    def test_dates_alone_freeze_any_time_of_the_day(self) -> None:
        made = window(None, freeze=("2026-12-24",))
        assert made.closes(utc("2026-12-22T12:00")) == utc("2026-12-24T00:00")
        assert made.closes(utc("2026-12-24T12:00")) is None
        assert made.opens(utc("2026-12-24T12:00")) == utc("2026-12-25T00:00")


class TestClosed:
    def test_it_says_when_it_opens(self) -> None:
        made = window("02:00-04:00", time_zone=BERLIN, days=("sun",))
        with pytest.raises(NodeprovError) as closed:
            made.insist_on_open(utc("2026-11-27T12:00"))
        assert str(closed.value) == (
            "the window 02:00-04:00 Europe/Berlin is closed: it does not begin on a Friday; nothing was changed\n"
            "hint: run this again when it opens, at 2026-11-29 02:00; or add --window FROM-TO "
            "--set 'rollout.days=[]' (for a saved plan, when it is made: nodeprov plan)"
        )

    @pytest.mark.parametrize(
        ("said", "now", "why", "way_out"),
        [
            ({}, "2026-12-01T10:00", "", "give another one: --window 00:00-24:00"),
            ({"days": ("sat",)}, "2026-12-01T03:00", ": it does not begin on a Tuesday", DAYS),
            ({"freeze": XMAS}, "2026-12-25T03:00", ": 2026-12-25 is a frozen date", FREEZE),
            ({"window": None, "freeze": XMAS}, "2026-12-25T03:00", ": 2026-12-25 is a frozen date", FREEZE),
            (
                {"days": ("sat",), "freeze": XMAS},
                "2026-12-25T10:00",
                ": it does not begin on a Friday and 2026-12-25 is a frozen date",
                f"--window 00:00-24:00 {DAYS} {FREEZE}",
            ),
        ],
    )
    def test_what_is_added_opens_it(self, said: dict[str, Any], now: str, why: str, way_out: str) -> None:
        """What the hint says, typed, leads out: also where it is the day or the date that closes it."""
        settings = RolloutSettings(**{"window": "02:00-04:00", **said})
        made = Window.of(settings)
        assert made is not None
        with pytest.raises(NodeprovError) as closed:
            made.insist_on_open(utc(now))
        assert f"is closed{why}; nothing was changed\n" in str(closed.value)
        assert way_out in str(closed.value).replace("FROM-TO", "00:00-24:00")
        typed = shlex.split(way_out.removeprefix("give another one: "))
        sets = [value for option, value in pairwise(typed) if option == "--set"]
        sets += [f'rollout.window="{value}"' for option, value in pairwise(typed) if option == "--window"]
        written = "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items() if value)
        window = "" if "window" in said else 'window = "02:00-04:00"\n'
        text = f'[release]\nversion = "latest"\n[rollout]\n{window}{written}[nodes.worker1]\n'
        assert parse(text, "x").nodes[0].settings.rollout == settings
        opened = Window.of(parse(text, "x", options=sets).nodes[0].settings.rollout)
        assert opened is None or opened.closes(utc(now))

    def test_it_may_never_open(self) -> None:
        made = window("02:00-04:00", freeze=("2026-01-01/2999-12-31",))
        assert made.next_span(utc("2026-11-27T12:00")) is None
        with pytest.raises(NodeprovError, match="does not open within a year"):
            made.insist_on_open(utc("2026-11-27T12:00"))

    def test_the_next_span_is_the_one_that_is_open(self) -> None:
        made = window("02:00-04:00")
        assert made.next_span(utc("2026-11-28T03:00")) == (utc("2026-11-28T03:00"), utc("2026-11-28T04:00"))
        assert made.next_span(utc("2026-11-28T05:00")) == (utc("2026-11-29T02:00"), utc("2026-11-29T04:00"))


ZONES = st.sampled_from(("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"))
TIMES = st.times().map(lambda each: each.strftime("%H:%M"))


@given(ZONES, TIMES, TIMES, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_whenever_it_is_open_the_clocks_are_within_it(zone: str, begin: str, end: str, moment: datetime) -> None:
    if begin == end:
        return
    made = window(f"{begin}-{end}", time_zone=zone)
    now = moment.astimezone(utc("2026-01-01T00:00").tzinfo)
    closing = made.closes(now)
    shown = now.astimezone(made.zone).strftime("%H:%M")
    is_within = begin <= shown < end if begin < end else not end <= shown < begin
    if closing is not None:
        assert now < closing <= now + timedelta(hours=26)
        assert is_within or made.zone.utcoffset(now.replace(tzinfo=None)) != made.zone.utcoffset(
            (now - timedelta(hours=3)).replace(tzinfo=None)
        )


def lasting(number: int, seconds: int, **changes: Any) -> Receipt:
    began = utc("2026-09-01T10:00") + timedelta(days=number)
    made = receipt_of(number, "install")
    return replace(
        made, began=began.isoformat(), ended=(began + timedelta(seconds=seconds)).isoformat(), **changes
    )


class TestExperience:
    def test_a_node_takes_half_as_much_again_as_the_middle_of_its_own_runs(self) -> None:
        known = Experience(
            {"a": [lasting(1, 20), lasting(2, 30), lasting(3, 500)], "b": [lasting(1, 70)]}, "install"
        )
        assert known.seconds("a") == 30 * SAFETY
        assert known.seconds("b") == 70 * SAFETY

    def test_a_new_one_takes_what_the_others_take(self) -> None:
        known = Experience({"a": [lasting(1, 20)], "b": [lasting(1, 40)], "c": []}, "install")
        assert known.seconds("c") == 30 * SAFETY

    def test_of_which_nothing_is_known_takes_a_good_while(self) -> None:
        assert Experience({"a": []}, "install").seconds("a") == UNKNOWN_SECONDS
        waiting = Experience({}, "install", {"b": 0.0}, waits_each=3600.0)
        assert (waiting.seconds("a"), waiting.seconds("b")) == (UNKNOWN_SECONDS + 3600.0, UNKNOWN_SECONDS)

    def test_what_this_run_shows_counts_for_all(self) -> None:
        known = Experience({"a": [lasting(1, 20)], "b": []}, "install")
        known.learn(90)
        assert known.seconds("a") == 90 * SAFETY
        known.learn(10)
        assert known.seconds("b") == 90 * SAFETY

    def test_for_how_long_it_may_wait_for_pods_comes_to_that(self) -> None:
        known = Experience({"a": [lasting(1, 20)], "b": []}, "install", {"a": 600.0, "b": 0.0})
        assert known.seconds("a") == 20 * SAFETY + 600
        assert known.seconds("b") == 20 * SAFETY

    def test_what_was_not_done_well_or_was_something_else_teaches_nothing(self) -> None:
        runs = [
            lasting(1, 20, state="undone"),
            lasting(2, 20, state="begun"),
            replace(lasting(3, 20), action="uninstall"),
            replace(lasting(4, 20), ended="yesterday"),
        ]
        assert Experience({"a": runs}, "install").seconds("a") == UNKNOWN_SECONDS

    def test_an_interrupted_run_that_the_next_one_has_closed_teaches_nothing(self) -> None:
        finished = lasting(2, 20)
        interrupted = replace(lasting(1, 20), ended=finished.ended)
        assert Experience({"a": [interrupted, finished]}, "install").seconds("a") == 20 * SAFETY


class TestThatFit:
    def schedule(self, **seconds: int) -> Schedule:
        receipts = {name: [lasting(1, each)] for name, each in seconds.items()}
        return Schedule(RolloutSettings(window="02:00-04:00"), Experience(receipts, "install"))

    def test_wave_by_wave_with_the_soak_time_between(self) -> None:
        made = self.schedule(a=20, b=20, c=40, d=20)  # 30, 30, 60 and 30 with safety
        waves = [(("a",), 100.0), (("b", "c"), 0.0), (("d",), 0.0)]
        assert made.that_fit(waves, 220) == ("a", "b", "c", "d")
        assert made.that_fit(waves, 219) == ("a", "b", "c")
        assert made.that_fit(waves, 160) == ("a", "b")
        assert made.that_fit(waves, 29) == ()

    def test_in_time_are_those_that_will_be_done(self) -> None:
        made = self.schedule(a=20, b=40)
        assert made.in_time(("a", "b"), "2026-11-28T03:59:00+00:00") == ("a", "b")
        assert made.in_time(("a", "b"), "2026-11-28T03:59:01+00:00") == ("a",)
        assert made.in_time(("a", "b"), "2026-11-28T04:00:00+00:00") == ()

    def test_at_any_time_where_there_is_no_window(self) -> None:
        made = Schedule(RolloutSettings(), Experience({}, "install"))
        assert made.in_time(("a",), "2026-11-28T04:00:00+00:00") == ("a",)
        assert made.seconds_left("2026-11-28T04:00:00+00:00") is None
        made.insist_on_open("2026-11-28T04:00:00+00:00")
