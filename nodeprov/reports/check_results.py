"""What verify found: the results of its checks as a table, JSON and JUnit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from nodeprov.redaction import visible

_JUNIT_COUNTS = {"failures": "failed", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check on one node ended: passed, failed or skipped, and what it said."""

    node: str
    check: str
    title: str
    result: str
    said: str
    seconds: float


def results_table(results: Sequence[CheckResult]) -> Table:
    """Lay out the results as a table, the failures' reasons below their rows."""
    table = Table(box=None, pad_edge=False, show_header=True)
    for name in ("node", "result", "check", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    styles = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
    for each in results:
        said = f"\n{each.said}" if each.said and each.result != "passed" else ""
        result = Text(each.result, style=styles[each.result])
        table.add_row(each.node, result, Text(visible(each.title + said)), f"{each.seconds:.1f}")
    return table


def results_json(results: Sequence[CheckResult]) -> list[dict[str, Any]]:
    """Write the results as plain values."""
    return [asdict(each) for each in results]


def results_junit(results: Sequence[CheckResult]) -> str:
    """Write the results as JUnit XML, a suite for each node, as CI systems read it.

    https://github.com/testmoapp/junitxml
    """
    suites = ElementTree.Element("testsuites", name="nodeprov verify")
    for node in dict.fromkeys(each.node for each in results):
        mine = [each for each in results if each.node == node]
        counts = {name: str(sum(each.result == result for each in mine)) for name, result in _JUNIT_COUNTS.items()}
        suite = ElementTree.SubElement(suites, "testsuite", {"name": node, "tests": str(len(mine)), **counts})
        for each in mine:
            case = ElementTree.SubElement(
                suite, "testcase", classname=node, name=each.check, time=f"{each.seconds:.3f}"
            )
            if each.result != "passed":
                tag = "failure" if each.result == "failed" else "skipped"
                ElementTree.SubElement(case, tag, message=f"{each.title}: {each.said}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
