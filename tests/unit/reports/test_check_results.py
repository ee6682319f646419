"""The results of checks as a table and as JSON."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from nodeprov.cli.verify import show_results
from nodeprov.reports.check_results import CheckResult, results_table
from tests.support.samples import golden


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
    show_results([CheckResult("worker1", "label", "the node has it", "passed", "", 0.5)], [], as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"schema", "findings"}
    assert set(value["findings"][0]) == FINDING_FIELDS
