"""What doctor found and verify checked: tables, JSON and JUnit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from nodeprov.redaction import visible

_JUNIT_COUNTS = {"failures": "failed", "errors": "error", "skipped": "skipped"}
_JUNIT_TAGS = {"failed": "failure", "error": "error", "skipped": "skipped"}


class Severity(Enum):
    """What a finding means."""

    AGAINST = "against"
    """It blocks an install: `nodeprov install` refuses, for the same reason."""
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found on a node: what, why it matters, and the command or the setting that mends it."""

    node: str
    severity: Severity
    what: str
    why: str
    remedy: str


def findings_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Write findings as plain values."""
    return [{**asdict(finding), "severity": finding.severity.value} for finding in findings]


def findings_table(nodes: Sequence[str], findings: Sequence[Finding]) -> Table:
    """Lay out findings: what, and below it why it matters and what mends it; a node without any is sound."""
    table = Table(box=None, pad_edge=False, show_header=True)
    for name in ("node", "severity", "finding"):
        table.add_column(name, overflow="fold")
    styles = {Severity.AGAINST: "bold red", Severity.ADVICE: "yellow"}
    for node in nodes:
        own = [finding for finding in findings if finding.node == node]
        if not any(finding.severity is Severity.AGAINST for finding in own):
            table.add_row(node, Text("sound", style="green"), "nothing blocks an install")
        for finding in own:
            lines = [finding.what, finding.why and f"  why: {finding.why}", f"  hint: {finding.remedy}"]
            said = "\n".join(line for line in lines if line)
            table.add_row(node, Text(finding.severity.value, style=styles[finding.severity]), Text(visible(said)))
    return table


NODE = "node"
"""The check that a node can be looked at."""
PASSED, SKIPPED, FAILED, ERROR = "passed", "skipped", "failed", "error"
"""How a check ends."""
_STYLES = {PASSED: "green", FAILED: "bold red", ERROR: "bold red", SKIPPED: "yellow"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check on one node ended: passed, failed, skipped, or error, where it could not be made at all."""

    node: str
    check: str
    title: str
    result: str
    said: str
    seconds: float
    handler: str = ""
    """Which of several handlers of the node it is about."""

    @property
    def subject(self) -> str:
        """Name what was checked."""
        return f"{self.node} {self.handler}".rstrip()


def results_json(result: CheckResult) -> dict[str, Any]:
    """Write a result as plain values; the handler only where the node has several."""
    return {name: value for name, value in asdict(result).items() if value or name != "handler"}


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the columns of results are that are shown one by one: as in one table of all of them."""

    subject: int
    title: int
    terminal: int

    @property
    def columns(self) -> tuple[int, ...]:
        """The widths of the columns; titles take what is left of the terminal at most."""
        others = (max(self.subject, len("node")), len(SKIPPED), len("seconds"))
        room = self.terminal - sum(others) - 2 * len(others)
        return others[0], others[1], max(min(self.title, room), 20), others[2]


def results_table(
    results: Sequence[CheckResult], widths: Widths | None = None, *, with_header: bool = True
) -> Table:
    """Lay out the results as a table, the failures' reasons below their rows."""
    table = Table(box=None, pad_edge=False, show_header=with_header)
    columns = widths.columns if widths else (None,) * 4
    for name, width in zip(("node", "result", "check", "seconds"), columns, strict=True):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold", width=width)
    for each in results:
        said = f"\n{each.said}" if each.said and each.result != PASSED else ""
        result = Text(each.result, style=_STYLES[each.result])
        table.add_row(each.subject, result, Text(visible(each.title + said)), f"{each.seconds:.1f}")
    return table


def summary(results: Sequence[CheckResult]) -> list[str]:
    """Count how the checks of each node ended, in a line for each."""
    return [
        f"{subject}: {_counted([each for each in results if each.subject == subject])}"
        for subject in dict.fromkeys(each.subject for each in results)
    ]


def _counted(results: Sequence[CheckResult]) -> str:
    if all(each.result == ERROR for each in results):
        return "not checked"
    counts = Counter(each.result for each in results)
    words = {PASSED: "passed", SKIPPED: "skipped", FAILED: "failed", ERROR: "not made"}
    return ", ".join(f"{counts[result]} {word}" for result, word in words.items() if counts[result])


def results_junit(results: Sequence[CheckResult]) -> str:
    """Write the results as JUnit XML, a suite for each node, as CI systems read it.

    https://github.com/testmoapp/junitxml
    """
    suites = ElementTree.Element("testsuites", name="nodeprov verify")
    for node in dict.fromkeys(each.subject for each in results):
        mine = [each for each in results if each.subject == node]
        counts = {name: str(sum(each.result == result for each in mine)) for name, result in _JUNIT_COUNTS.items()}
        suite = ElementTree.SubElement(suites, "testsuite", {"name": node, "tests": str(len(mine)), **counts})
        for each in mine:
            case = ElementTree.SubElement(
                suite, "testcase", classname=node, name=each.check, time=f"{each.seconds:.3f}"
            )
            if each.result != "passed":
                ElementTree.SubElement(case, _JUNIT_TAGS[each.result], message=f"{each.title}: {each.said}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
