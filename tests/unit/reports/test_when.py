"""Times as a person reads them."""

from __future__ import annotations

import pytest

from nodeprov.reports.when import ago_text, when_text, with_times

NOW = "2026-11-28T04:47:40+00:00"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-11-28T04:39:36+00:00", "2026-11-28 04:39 UTC, 8 minutes ago"),
        ("2026-11-28T05:39:36+01:00", "2026-11-28 04:39 UTC, 8 minutes ago"),
        ("2026-11-28T04:47:40+00:00", "2026-11-28 04:47 UTC, just now"),
        ("2026-11-29T04:47:40+00:00", "2026-11-29 04:47 UTC"),
        ("", ""),
        ("yesterday", "yesterday"),
        ("2026-11-28T04:39:36", "2026-11-28 04:39 UTC, 8 minutes ago"),
    ],
)
def test_a_time_is_written_with_how_long_ago_it_was(at: str, said: str) -> None:
    assert when_text(at, NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (1, "1 second ago"),
        (119, "1 minute ago"),
        (3600, "1 hour ago"),
        (3 * 86400 + 5, "3 days ago"),
        (-1, ""),
    ],
)
def test_how_long_ago_is_told_by_the_largest_unit(seconds: int, said: str) -> None:
    assert ago_text(seconds) == said


def test_times_in_a_text_are_written_for_people() -> None:
    assert with_times("ann@desk since 2026-09-05T10:00:07+00:00, last heard of 1 s ago") == (
        "ann@desk since 2026-09-05 10:00 UTC, last heard of 1 s ago"
    )
    assert with_times("ann@desk since now") == "ann@desk since now"
