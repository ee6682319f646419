"""What a process ends with."""

from __future__ import annotations

from pathlib import Path

from tests.support.command_line import nodeprov


def test_the_table_of_exit_codes_is_the_readmes() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    rows = [line for line in readme.splitlines() if line.startswith("| ") and line[2].isdigit()]
    shown = nodeprov("--help", COLUMNS="200").text
    for row in rows:
        code, meaning = (each.strip(" `") for each in row.strip("|").split("|"))
        said = next(line for line in shown.splitlines() if line.strip().startswith(f"{code}  "))
        assert meaning.replace("`", "")[:6] in said
    assert len(rows) == 5
