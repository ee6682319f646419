"""What of the long tables is acted today: CI takes a part of each, every day another; `--profile=full` takes all.

A test of a table is marked `rotates(n)`: of its rows each n-th is run, and after n days all of them were. With
`rotates(n, "name")` the rows are all tests of that name. Who names a test, by -k or its id, gets it on any day.
"""

from __future__ import annotations

import os
import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

import pytest

T = TypeVar("T")

by_turns = pytest.mark.rotates(8, "longer tests of the lab")
"""Marks what takes an installation or more: an eighth of them a day."""


def add_options(parser: pytest.Parser) -> None:
    """Add how much is acted, and what picks it."""
    profile = os.environ.get("NODEPROV_TEST_PROFILE", "sample")
    today = os.environ.setdefault("NODEPROV_TEST_SEED", datetime.now(UTC).date().isoformat())
    parser.addoption("--profile", choices=("sample", "full"), default=profile, help="act today's part, or all")
    parser.addoption("--seed", default=today, help="what picks the part, and the moments of faults; today's date")


def is_full(config: pytest.Config) -> bool:
    """Tell whether all is acted."""
    return bool(config.getoption("--profile") == "full")


def seed(config: pytest.Config) -> str:
    """Say what picks a sample."""
    return str(config.getoption("--seed"))


def some(config: pytest.Config, rows: Sequence[T]) -> Sequence[T]:
    """Pick the row whose day it is, or take all: after as many days as there are rows each was taken."""
    return rows if is_full(config) else [rows[_day(seed(config)) % len(rows)]]


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the rows whose turn it is not; pytest's last line counts them."""
    if is_full(config) or _are_named(config):
        return
    rows: dict[str, list[tuple[int, pytest.Item]]] = defaultdict(list)
    for item in items:
        if marker := item.get_closest_marker("rotates"):
            name = marker.args[1] if marker.args[1:] else item.nodeid.partition("[")[0]
            rows[name].append((marker.args[0], item))
    left = {
        item
        for table in rows.values()
        for number, (share, item) in enumerate(table)
        if (number + _day(seed(config))) % share
    }
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=[*left])


def _are_named(config: pytest.Config) -> bool:
    return bool(config.option.keyword) or any("::" in argument for argument in config.args)


def _day(seed: str) -> int:
    """Number a day, so that the next one has the next part; another seed is as good as any."""
    try:
        return date.fromisoformat(seed).toordinal()
    except ValueError:
        return zlib.crc32(seed.encode())
