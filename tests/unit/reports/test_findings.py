"""Doctor's findings as a table and as JSON."""

from __future__ import annotations

from nodeprov.reports.findings import Finding, Severity, findings_json, findings_table


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
