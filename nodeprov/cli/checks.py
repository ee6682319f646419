"""What is seen of a verification: its checks as they end on a terminal, elsewhere all of them at the end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nodeprov.cli import output
from nodeprov.reports.findings import PASSED, CheckResult, Widths, results_table, summary

if TYPE_CHECKING:
    from rich.status import Status


class CheckView:
    """Shows checks as they end, which several threads tell at the same time; it counts those of all nodes."""

    def __init__(self, expected: int, widths: Widths, *, shows_rows: bool) -> None:
        self._expected, self._widths, self._shows_rows = expected, widths, shows_rows
        self._lock = threading.Lock()
        self._ended: list[CheckResult] = []
        self._shown: list[CheckResult] = []
        self._status: Status | None = None

    def on_result(self, result: CheckResult) -> None:
        """Hear how a check has ended."""
        with self._lock:
            self._ended.append(result)
            if self._shows_rows:
                self._show([result])
            if self._status is not None:
                self._status.update(self._said())

    def show_rest(self, results: Sequence[CheckResult]) -> None:
        """Show at the end what was not shown before, in the order of the nodes, and count the checks of each."""
        left = [each for each in results if each not in self._shown]
        if output.quiet.is_set():
            left = [each for each in left if each.result != PASSED]
        self._show(left)
        output.show_lines("\n".join(summary(results)))

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Show at the bottom of a terminal how many checks have ended, until the end of the context."""
        if (console := output.live_console()) is None:
            yield
            return
        with console.status(self._said()) as self._status:
            yield
        self._status = None

    def _said(self) -> str:
        return f"{len(self._ended)} of {self._expected} checks"

    def _show(self, results: Sequence[CheckResult]) -> None:
        if results:
            widths = self._widths if self._shows_rows else None
            output.show_table(results_table(results, widths, with_header=not self._shown))
            self._shown += results


def check_view(subjects: Sequence[str], titles: Sequence[str], *, as_json: bool) -> CheckView:
    """Make the view for subjects (nodes, or handlers of them) whose checks have these titles."""
    shows_rows = not (as_json or output.quiet.is_set()) and sys.stdout.isatty()
    widths = Widths(max(map(len, subjects), default=0), max(map(len, titles)), output.columns())
    return CheckView(len(subjects) * len(titles), widths, shows_rows=shows_rows)
