"""The documentation as a site: every page is in it, nothing is fetched from elsewhere, no link is dead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from tests.support.documents import CHECKOUT, DOCS
from tests.support.sampling import by_turns
from tests.support.wheel import copy_of_the_checkout

PAGES = {path.name for path in DOCS.glob("*.md")}


def _listed(entries: Any) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else _listed(value)


def test_every_page_has_one_place_in_the_site() -> None:
    nav = tomllib.loads((CHECKOUT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(_listed(nav)) == sorted(PAGES)


def build(checkout: Path, out: Path) -> Output:
    return run_program(["script/docs", str(out)], folder=checkout, timeout_seconds=600)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_checkout(tmp_path_factory.mktemp("site"))


@by_turns
def test_the_site_is_built_from_a_clean_checkout_and_needs_no_network_to_be_read(
    checkout: Path, tmp_path: Path
) -> None:
    built = build(checkout, tmp_path / "site")
    assert built.returncode == 0, built.said
    assert {path.with_suffix(".md").name for path in (tmp_path / "site").glob("*.html")} == {*PAGES, "404.md"}
    for page in (tmp_path / "site").glob("*.html"):
        text = page.read_text()
        fetched = re.findall(r'<(?:script|img)[^>]* src="?([^" >]+)', text)
        fetched += re.findall(r'<link rel="?(?:stylesheet|icon)"? href="?([^" >]+)', text)
        assert fetched
        assert [each for each in fetched if not (page.parent / each.lstrip("/")).exists()] == []


@by_turns
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[x](nowhere.md)", "does not exist"),
        ("[x](fleet.md#nowhere)", "anchor does not exist"),
        ("![x](https://example.com/x.png)", "fetched from elsewhere"),
    ],
)
def test_a_page_that_leads_nowhere_is_refused(checkout: Path, tmp_path: Path, broken: str, said: str) -> None:
    page = checkout / "docs" / "scale.md"
    text = page.read_text()
    page.write_text(f"{text}\n{broken}\n")
    try:
        built = build(checkout, tmp_path / "site")
    finally:
        page.write_text(text)
    assert built.returncode != 0
    assert said in re.sub(r"\x1b\[[0-9;]*m", "", built.stderr.decode())
