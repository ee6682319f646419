"""Doctor's findings and the results of checks as tables and as JSON."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from nodeprov.cli.checks import check_view
from nodeprov.cli.diagnosis import show_results
from nodeprov.reports.findings import CheckResult, Finding, Severity, findings_json, findings_table, results_table
from tests.support.samples import golden


def test_a_finding_is_told_in_a_table_and_as_json() -> None:
    finding = Finding("worker1", Severity.ADVICE, "what", "why", "do")
    assert findings_json([finding])[0] == {
        "node": "worker1",
        "severity": "advice",
        "what": "what",
        "why": "why",
        "remedy": "do",
    }
    shown = findings_table(["worker1", "worker2"], [finding])
    assert [str(each) for each in shown.columns[0]._cells] == ["worker1", "worker1", "worker2"]
    assert [str(each) for each in shown.columns[1]._cells] == ["sound", "advice", "sound"]
    assert str(shown.columns[2]._cells[1]) == "what\n  why: why\n  hint: do"


def test_results_of_checks_are_written_as_a_table() -> None:
    results = [
        CheckResult("worker1", "label", "the node has the label", "passed", "", 0.04),
        CheckResult("worker1", "limits", "limits are enforced", "skipped", "no image is set", 0.0),
        CheckResult(
            "worker2", "pod", "a pod is sandboxed", "failed", "the pod is Pending\n[Errno 2] no event", 61.25
        ),
    ]
    console = Console(width=80, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(results_table(results))
    golden("report/findings.txt", "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n")


FINDING_FIELDS = {"node", "check", "title", "result", "said", "seconds"}


def test_the_json_of_results_of_checks_has_the_fields_that_are_documented(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = check_view(["worker1"], ["the node has it"], as_json=True)
    show_results([CheckResult("worker1", "label", "the node has it", "passed", "", 0.5)], [], view, as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"schema", "findings"}
    assert set(value["findings"][0]) == FINDING_FIELDS
