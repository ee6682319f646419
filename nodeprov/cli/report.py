"""The file of a run's report: where it may be written, and the writing."""

from __future__ import annotations

import os
from pathlib import Path

from nodeprov.cli.output import say
from nodeprov.errors import UsageError
from nodeprov.local_files import in_words, read_bounded, write_private
from nodeprov.reports.run import RunRecord


def check_report(path: Path) -> None:
    """Raise UsageError, before anything is begun, if a report could not be written there."""
    from nodeprov.reports.run_report import is_report

    another = "name another file: --report FILE"
    with in_words(f"--report {path}", another):
        if path.is_dir() or not path.name:
            raise UsageError(f"--report {path}: it is a folder", another)
        if path.exists() and not (path.is_file() and is_report(read_bounded(path, "report", another))):
            raise UsageError(f"--report {path}: it exists and is not a report of nodeprov", another)
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"--report {path}: nothing can be written in {path.parent.absolute()}", another)


def write_report(record: RunRecord, path: Path) -> None:
    """Write the report of a run; raise UsageError if that is not possible."""
    from nodeprov.reports.run_report import report_text

    check_report(path)
    write_private(path, report_text(record).encode(errors="backslashreplace"), option="--report")
    say(f"report: {path}")
