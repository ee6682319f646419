from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]
CONFTEST = """
from tests.support import sampling

def pytest_addoption(parser):
    sampling.add_options(parser)

def pytest_configure(config):
    config.addinivalue_line("markers", "rotates(n, name): one row in n a day")

def pytest_collection_modifyitems(config, items):
    sampling.leave_out(config, items)
"""
TABLE = """
import pytest

@pytest.mark.rotates(3)
@pytest.mark.parametrize("row", range(7))
def test_row(row):
    pass

@pytest.mark.rotates(2, "chapters")
def test_chapter_one():
    pass

@pytest.mark.rotates(2, "chapters")
def test_chapter_two():
    pass

def test_story():
    pass
"""


Collected = Callable[..., set[str]]


@pytest.fixture
def collected(pytester: pytest.Pytester) -> Collected:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TABLE)

    def run(*arguments: str) -> set[str]:
        reports = pytester.inline_run("-p", "no:cacheprovider", *arguments).getreports("pytest_runtest_logreport")
        return {report.nodeid.partition("::")[2] for report in reports if report.when == "call"}

    return run


def test_a_table_is_whole_after_as_many_days_as_it_rotates_in(collected: Collected) -> None:
    days = [collected(f"--seed={day}") for day in ("2026-11-29", "2026-11-30", "2026-12-01")]
    assert all("test_story" in day for day in days)
    rows = [row for day in days for row in day if row.startswith("test_row")]
    assert sorted(rows) == [f"test_row[{number}]" for number in range(7)]


def test_who_names_a_test_gets_it_on_any_day(collected: Collected) -> None:
    for day in ("2026-11-29", "2026-11-30"):
        assert collected(f"--seed={day}", "-k", "chapter_one") == {"test_chapter_one"}


def test_tests_of_one_name_take_turns(collected: Collected) -> None:
    days = [collected(f"--seed=2026-11-{day}") for day in (29, 30)]
    chapters = [[name for name in day if name.startswith("test_chapter")] for day in days]
    assert sorted(chapters) == [["test_chapter_one"], ["test_chapter_two"]]


def test_the_full_profile_has_all(collected: Collected) -> None:
    assert len(collected("--profile=full", "--seed=2026-11-29")) == 10
    assert len(collected("--seed=of my own")) in (4, 5)


def test_what_needs_a_lab_is_where_ci_looks_for_it() -> None:
    words = next(
        line for line in (CHECKOUT / "script" / "test").read_text().splitlines() if "set -- -m lab" in line
    )
    looked_into = [CHECKOUT / word for word in words.split() if word.startswith("tests/")]
    marked = [path for path in (CHECKOUT / "tests").rglob("*.py") if re.search(r"mark\.lab\b", path.read_text())]
    assert len(marked) > 2
    assert [path for path in marked if not {*path.parents} & {*looked_into}] == []
