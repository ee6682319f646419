"""The findings of a verification as a table, JSON and JUnit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from nodeprov.redaction import visible
from nodeprov.reports.plan import SCHEMA

_JUNIT_COUNTS = {"failures": "failed", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check on one node ended: passed, failed or skipped, and what it said."""

    node: str
    check: str
    title: str
    result: str
    said: str
    seconds: float


def findings_table(findings: Sequence[Finding]) -> Table:
    """Lay out the findings of a verification as a table, the failures' reasons below their rows."""
    table = Table(box=None, pad_edge=False, show_header=True)
    for name in ("node", "result", "check", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    styles = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
    for finding in findings:
        said = f"\n{finding.said}" if finding.said and finding.result != "passed" else ""
        result = Text(finding.result, style=styles[finding.result])
        table.add_row(finding.node, result, Text(visible(finding.title + said)), f"{finding.seconds:.1f}")
    return table


def findings_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Write the findings of a verification as plain values."""
    return {"schema": SCHEMA, "findings": [asdict(finding) for finding in findings]}


def findings_junit(findings: Sequence[Finding]) -> str:
    """Write the findings as JUnit XML, a suite for each node, as CI systems read it.

    https://github.com/testmoapp/junitxml
    """
    suites = ElementTree.Element("testsuites", name="nodeprov verify")
    for node in dict.fromkeys(finding.node for finding in findings):
        mine = [finding for finding in findings if finding.node == node]
        counts = {name: str(sum(f.result == result for f in mine)) for name, result in _JUNIT_COUNTS.items()}
        suite = ElementTree.SubElement(suites, "testsuite", {"name": node, "tests": str(len(mine)), **counts})
        for finding in mine:
            case = ElementTree.SubElement(
                suite, "testcase", classname=node, name=finding.check, time=f"{finding.seconds:.3f}"
            )
            if finding.result != "passed":
                tag = "failure" if finding.result == "failed" else "skipped"
                ElementTree.SubElement(case, tag, message=f"{finding.title}: {finding.said}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
