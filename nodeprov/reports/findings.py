"""What doctor found on nodes, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from rich.table import Table
from rich.text import Text

from nodeprov.redaction import visible


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
            table.add_row(node, Text("sound", style="green"), "nothing stands against an install")
        for finding in own:
            lines = [finding.what, finding.why and f"  why: {finding.why}", f"  hint: {finding.remedy}"]
            said = "\n".join(line for line in lines if line)
            table.add_row(node, Text(finding.severity.value, style=styles[finding.severity]), Text(visible(said)))
    return table
