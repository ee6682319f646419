"""docs/reliability.md has each trouble that is acted out, and no other."""

from pathlib import Path

from tests.support.troubles import HEAD, table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def test_the_page_has_the_table() -> None:
    assert len(table().splitlines()) > 5
    assert table() in PAGE.read_text(), "python -m tests.support.troubles prints it"


def test_the_page_has_no_row_that_no_test_has() -> None:
    page = PAGE.read_text()
    below = page[page.index(HEAD) :].split("\n\n")[0] + "\n"
    assert below == table()
