"""Where a run's time goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nodeprov.hosts.base import plain
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.timings import Spent, Timings, phase_of
from nodeprov.node.watched import Watched, WatchedQuery
from nodeprov.plan.files import FileAt, PresentAt

NOTHING = Watched.of([], values=[], processes=[], written=[], started=[])


def ticking() -> Timings:
    """Every look at the clock takes a second."""
    seconds: Iterator[float] = iter(range(1000))
    return Timings(lambda: next(seconds))


def test_times_of_a_host_and_a_phase_are_added_up() -> None:
    timings = ticking()
    for host, phase in (("a", "facts"), ("b", "facts"), ("a", "facts"), ("a", "connect")):
        with timings.measured(host, phase):
            pass
    assert timings.spent == [Spent("a", "facts", 2, 2), Spent("b", "facts", 1, 1), Spent("a", "connect", 1, 1)]


def test_what_fails_took_its_time_too() -> None:
    timings = ticking()
    with pytest.raises(ValueError, match="x"), timings.measured("a", "facts"):
        raise ValueError("x")
    assert timings.spent == [Spent("a", "facts", 1, 1)]


def test_questions_are_told_apart_by_what_they_are_about() -> None:
    assert phase_of([WatchedQuery(NOTHING)]) == "as before?"
    assert phase_of([FileAt("/x"), PresentAt("/y")]) == "states"


def test_a_host_measures_what_runs_on_it_where_somebody_wants_to_know() -> None:
    host = LocalHost("here")
    host.run(plain("before", ":"))
    host.timings = ticking()
    host.run(plain("a script", ":"))
    host.ask([FileAt("/nowhere")])
    assert [(each.host, each.phase) for each in host.timings.spent] == [("here", "a script"), ("here", "states")]
