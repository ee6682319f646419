"""The file of a run's report."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.report import check_report, write_report
from nodeprov.errors import UsageError
from tests.support.runs import RECORD


def test_no_file_is_written_over_that_is_no_report(tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# mine")
    with pytest.raises(UsageError, match="exists and is not a report of nodeprov\nhint: name another file"):
        check_report(notes)
    with pytest.raises(UsageError, match="it is a folder"):
        check_report(tmp_path)
    with pytest.raises(UsageError, match="nothing can be written in"):
        check_report(tmp_path / "gone" / "report.md")
    check_report(tmp_path / "new.md")


def test_what_is_written_may_be_written_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.md"
    for _ in range(2):
        write_report(RECORD, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"report: {path}\n" in capsys.readouterr().err
