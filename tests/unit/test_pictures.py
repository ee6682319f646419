"""The pictures in docs/screens/ show what the program prints today, made anew from films of the runs they show."""

from __future__ import annotations

import re

import pytest

from tests.support.documents import DOCUMENTS
from tests.support.pictures import FOLDER, PICTURES, Picture, shown_again, structure
from tests.support.screen_svg import texts_of, to_svg
from tests.support.terminal import Run, Screen

SCREEN = Screen(20, ((Run("$ ", "brightblack"), Run("a & <b>", "red", is_bold=True)), (), (Run("  ━━", "cyan"),)))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda each: each.name)
def test_a_picture_has_the_structure_of_what_is_printed_today(picture: Picture) -> None:
    again = shown_again(picture)
    assert structure(again.texts) == structure(texts_of(picture.path.read_text())), "script/screens makes it anew"


def test_every_picture_is_shown_and_every_one_that_is_shown_is_made_by_a_run() -> None:
    shown = {
        name
        for each in DOCUMENTS
        for name in re.findall(r"!\[[^]]*\]\((?:docs/)?screens/([^)]+)\)", each.read_text())
    }
    assert shown == {each.name for each in FOLDER.iterdir()} == {f"{each.name}.svg" for each in PICTURES}


def test_a_picture_can_be_read_back_and_fetches_nothing() -> None:
    drawn = to_svg(SCREEN, 'nodeprov "x" & y')
    assert texts_of(drawn) == ["$ a & <b>", "", "  ━━"]
    assert re.findall(r"url\(|href|@import|https?://(?!www\.w3\.org/2000/svg)", drawn) == []
    assert "prefers-color-scheme:dark" in drawn


def test_structure_is_not_numbers() -> None:
    assert structure(["done 0:42, 1 day ago", "4f06a1b2c3d4 12 MB"]) == structure(
        ["done 1:07, 8 minutes ago", "0123456789ab 9 MB"]
    )
    assert structure(["done"]) != structure(["failed"])
