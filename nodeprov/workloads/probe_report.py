"""What was found by probing nodes: as a table, as Markdown for a platform's own pages, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from nodeprov.workloads.catalogue import Effect, catalogue, recorded_releases
from nodeprov.workloads.judgement import Finding, Verdict
from nodeprov.workloads.probes import UNMADE

SHOWN = (Verdict.NEW, Verdict.GONE, Verdict.FAILED, Verdict.NOT_TOLD, Verdict.DIFFERS)
"""What is worth a row; the others are counted."""
_STYLES = {
    Verdict.NEW: "bold red",
    Verdict.GONE: "bold green",
    Verdict.FAILED: "bold red",
    Verdict.NOT_TOLD: "yellow",
}
_LONGEST = 120
_MET = {
    Effect.REFUSED: "does not start",
    Effect.FAILS: "does not work",
    Effect.SILENT: "works differently, without a message",
}


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found on one node with one handler."""

    node: str
    handler: str
    release: str
    flags: Mapping[str, str]
    cgroup_version: int
    findings: tuple[Finding, ...]

    def count(self, verdict: Verdict) -> int:
        """Count the findings with a verdict."""
        return Counter(each.verdict for each in self.findings)[verdict]

    def shown(self) -> list[Finding]:
        """Return what is worth a row, the worst first."""
        effects, verdicts = list(Effect), list(SHOWN)
        rows = [each for each in self.findings if each.verdict in SHOWN]
        return sorted(rows, key=lambda row: (effects.index(row.behaviour.effect), verdicts.index(row.verdict)))


def table(probed: Sequence[Probed]) -> Table:
    """Lay out what differs, and below each what was answered and what helps."""
    laid = Table(box=None, pad_edge=False, show_header=True)
    for name in ("node", "effect", "result", "behaviour"):
        laid.add_column(name, overflow="fold")
    for each in probed:
        for found in each.shown():
            verdict = Text(found.verdict.value, style=_STYLES.get(found.verdict, ""))
            laid.add_row(each.node, found.behaviour.effect.value, verdict, Text("\n".join(_lines(found))))
    return laid


def _lines(found: Finding) -> Iterator[str]:
    behaviour = found.behaviour
    yield f"{behaviour.id}: {behaviour.title}"
    yield f"  {_short(found.sandbox)}; under runc: {_short(found.runc)}"
    if not behaviour.cure.startswith("none"):
        yield f"  cure: {behaviour.cure}"


def _short(answer: str) -> str:
    said = answer.removeprefix(UNMADE)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."


def summary(probed: Probed) -> str:
    """Say in a line what was found on a node."""
    counts = [f"{number} {verdict.value}" for verdict in Verdict if (number := probed.count(verdict))]
    left = sum(each.probe is None for each in catalogue().values())
    said = "".join([", ".join(counts), f"; {left} have no probe" if left else ""])
    ran = f"release {probed.release}, cgroup v{probed.cgroup_version}"
    return f"{probed.node}: {probed.handler}, {ran}{_compared(probed)}: {said}"


def _compared(probed: Probed) -> str:
    """Say with what answers were compared, where just these are not recorded."""
    recorded, (*_, latest) = recorded_releases(probed.cgroup_version), recorded_releases()
    if probed.release in recorded:
        return ""
    if probed.release in recorded_releases():
        return f" (not recorded with cgroup v{probed.cgroup_version}: compared with what other nodes answer)"
    return f" (not recorded: compared with {latest})"


def markdown(probed: Sequence[Probed]) -> str:
    """Write what differs as Markdown, a section for each node."""
    return "\n".join(line for each in probed for line in _section(each))


def _section(probed: Probed) -> Iterator[str]:
    flags = ", ".join(f'{name} = "{value}"' for name, value in probed.flags.items())
    yield f"## {probed.node}: {probed.handler}\n"
    yield f"Release {probed.release}, cgroup v{probed.cgroup_version}{f', with {flags}' if flags else ''}.\n"
    yield "| behaviour | what | in the sandbox | without | cure |"
    yield "|---|---|---|---|---|"
    for each in probed.shown():
        one = each.behaviour
        mark = "" if each.verdict is Verdict.DIFFERS else f" ({each.verdict.value})"
        cells = (f"{one.id}{mark}", f"{one.title} {_MET[one.effect]}", one.sandbox, one.runc, one.cure)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def as_json(probed: Probed) -> dict[str, Any]:
    """Write what was found on a node as plain values; every behaviour that has a probe is in it."""
    return {
        "node": probed.node,
        "handler": probed.handler,
        "release": probed.release,
        "flags": dict(probed.flags),
        "cgroup_version": probed.cgroup_version,
        "findings": [
            {
                "id": each.behaviour.id,
                "effect": each.behaviour.effect.value,
                "result": each.verdict.value,
                "runc": each.runc.removeprefix(UNMADE),
                "sandbox": each.sandbox.removeprefix(UNMADE),
                "cure": each.behaviour.cure,
            }
            for each in probed.findings
        ],
    }
