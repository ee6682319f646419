"""The report for a change ticket."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.errors import NodeprovError
from nodeprov.plan.plan import Outcome
from nodeprov.reports.run_report import is_report, report_text
from nodeprov.states import FileState
from tests.support.plans import SECRET, change
from tests.support.runs import DONE, RECORD, plan_of, run_of
from tests.support.samples import golden

FILE = "file:/etc/containerd/config.toml"


def test_a_report_says_all_that_a_ticket_asks_for() -> None:
    golden("report/run-report.md", report_text(RECORD))


def test_a_report_knows_its_own_kind() -> None:
    assert is_report(report_text(RECORD))
    assert not is_report("# my notes")


def test_what_looks_secret_is_in_no_report() -> None:
    before = FileState(f'password = "{SECRET}"\n'.encode(), 0o644)
    changed = change(FILE, before, FileState(f'x = 1\npassword = "{SECRET}2"\n'.encode(), 0o644))
    plan = replace(plan_of("worker1"), steps=(changed,))
    outcome = Outcome(plan, plan.parts, NodeprovError(f"password: {SECRET}"), proofs={"a": f"token={SECRET}"})
    assert SECRET not in report_text(replace(RECORD, nodes=(run_of(outcome, 1.0),)))


def test_what_a_node_says_is_no_markup_and_no_command_to_a_terminal() -> None:
    said = "a | b <img src=x>\n# heading\x1b[2J"
    outcome = replace(DONE, proofs={"a sandbox runs": said})
    text = report_text(replace(RECORD, nodes=(run_of(outcome, 1.0),)))
    assert "- a sandbox runs: a \\| b &lt;img src=x> # heading\\x1b[2J\n" in text


def test_a_file_with_a_fence_in_it_does_not_end_the_block() -> None:
    changed = change(FILE, None, FileState(b"````\n# heading\n", 0o644))
    plan = replace(plan_of("worker1"), steps=(changed,))
    text = report_text(replace(RECORD, nodes=(run_of(Outcome(plan, plan.parts), 1.0),)))
    assert "`````diff\n" in text
    assert "\n`````\n" in text


def test_what_is_the_same_of_many_nodes_is_said_once() -> None:
    names = [f"worker{number}" for number in range(2, 32)]
    nodes = tuple(run_of(replace(DONE, plan=plan_of(name)), 1.0) for name in names)
    text = report_text(replace(RECORD, nodes=nodes))
    assert f"\n## {', '.join(names)}\n" in text
    assert text.count("Done:") == 1
    assert all(f"| {name} | done |" in text for name in names)


def test_a_run_that_changed_nothing_says_why() -> None:
    refused = NodeprovError("kubelet does not run", "systemctl status kubelet", where="worker1")
    text = report_text(replace(RECORD, nodes=(), waves=(), releases={}, errors=(refused,)))
    assert "# nodeprov install: no node was changed" in text
    assert "- **worker1**: kubelet does not run\n  - hint: systemctl status kubelet" in text
