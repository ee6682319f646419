"""What is seen of a verification."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli import output
from nodeprov.cli.checks import CheckView
from nodeprov.reports.findings import CheckResult, Widths
from tests.support.command_line import nodeprov, said

WIDTHS = Widths(7, 40, 80)
LABEL = CheckResult("worker1", "label", "The node has the label", "passed", "", 0.04)
LIMITS = CheckResult("worker1", "limits", "Limits are enforced", "skipped", "this node has cgroup v1", 0.0)
POD = CheckResult("worker2", "pod", "A pod is sandboxed", "failed", "the pod is Pending", 61.25)
NODE = CheckResult("worker3", "node", "The node can be looked at", "error", "cannot be reached", 0.0)
ALL = [LABEL, LIMITS, POD, NODE]


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_on_a_terminal_each_check_is_a_row_as_it_ends_and_none_is_shown_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = CheckView(2, WIDTHS, shows_rows=True)
    view.on_result(LABEL)
    first = capsys.readouterr().out
    assert words(first) == [["node", "result", "check", "seconds"], words(first)[1]]
    assert first.splitlines()[1].startswith("worker1  passed   The node has the label ")
    view.on_result(POD)
    second = capsys.readouterr().out
    assert second.index("A pod is") == first.splitlines()[1].index("The node"), (
        "the columns are those of one table"
    )
    view.show_rest(ALL)
    rest = capsys.readouterr().out
    assert (LABEL.title in rest, POD.title in rest, LIMITS.title in rest) == (False, False, True)


def test_elsewhere_all_are_in_one_table_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    view = CheckView(2, WIDTHS, shows_rows=False)
    view.on_result(POD)
    assert capsys.readouterr().out == ""
    view.show_rest(ALL)
    shown = capsys.readouterr().out
    assert [line[0] for line in words(shown) if line[0].startswith("worker")][:2] == ["worker1", "worker1"]
    assert shown.endswith("worker1: 1 passed, 1 skipped\nworker2: 1 failed\nworker3: not checked\n")


def test_quiet_shows_what_did_not_pass_and_the_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.quiet.set()
    try:
        CheckView(2, WIDTHS, shows_rows=False).show_rest([LABEL])
        assert capsys.readouterr().out == "worker1: 1 passed\n"
        CheckView(2, WIDTHS, shows_rows=False).show_rest([LABEL, LIMITS])
        shown = capsys.readouterr().out
    finally:
        output.quiet.clear()
    assert (LABEL.title in shown, LIMITS.title in shown) == (False, True)
    assert shown.endswith("worker1: 1 passed, 1 skipped\n")


@pytest.mark.parametrize("terminal", [40, 80, 200])
def test_columns_are_as_wide_as_their_longest_texts_if_the_terminal_is(terminal: int) -> None:
    subject, result, title, seconds = Widths(7, 60, terminal).columns
    assert (subject, result, seconds) == (7, 7, 7)
    assert title == {40: 20, 80: 53, 200: 60}[terminal]


def test_a_junit_file_that_cannot_be_written_is_named_before_any_node_is_looked_at(folder: Path) -> None:
    output = nodeprov("verify", "worker1", "--junit", "none/x.xml", folder=folder)
    assert output.returncode == 2
    assert said(output).splitlines() == [
        "cannot write none/x.xml: there is no folder none",
        "hint: name another file: --junit FILE",
    ]
