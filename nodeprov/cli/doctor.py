"""`nodeprov doctor`: what stands against an install, before anybody plans one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli.exit_codes import DONE, FAILED
from nodeprov.cli.options import (
    AskSudoPasswordOption,
    InventoryOption,
    JsonOption,
    NoColorOption,
    NodesArgument,
    QuietOption,
    SetOption,
    VerboseOption,
    examples,
)
from nodeprov.cli.output import show_json, show_table

if TYPE_CHECKING:
    from rich.table import Table

    from nodeprov.diagnosis.doctor.examine import Finding
    from nodeprov.inventory import Node

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "nodeprov doctor 'worker*'",
        "nodeprov doctor worker1 --json",
        codes="0: nothing stands against an install, 1: something does, or a node could not be read",
    )
)
def doctor(
    nodes: NodesArgument,
    inventory: InventoryOption = None,
    sets: SetOption = None,
    ask_sudo_password: AskSudoPasswordOption = False,
    as_json: JsonOption = False,
    _quiet: QuietOption = False,
    _verbose: VerboseOption = False,
    _no_color: NoColorOption = False,
) -> None:
    """Examine nodes: what stands against an install, and what is worth an advice; change nothing."""
    from nodeprov.cli.session import complained, opened
    from nodeprov.diagnosis.doctor.examine import Severity, examine

    with opened(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as session:

        def one(node: Node) -> tuple[Node, tuple[Finding, ...]]:
            return node, examine(node, session.connections.of(node), time.time)

        answers = complained(session.each(one))
    findings = [finding for _, found in answers.good for finding in found]
    if as_json:
        show_json("findings", [finding_json(finding) for finding in findings], answers.errors)
    else:
        show_table(table([node.name for node, _ in answers.good], findings))
    against = any(finding.severity is Severity.AGAINST for finding in findings)
    raise typer.Exit(FAILED if against or answers.errors else DONE)


def finding_json(finding: Finding) -> dict[str, str]:
    """Write a finding as plain values."""
    return {**asdict(finding), "severity": finding.severity.value}


def table(nodes: Sequence[str], findings: Sequence[Finding]) -> Table:
    """Lay out the findings: what, and below it why it matters and what mends it; a node without any is sound."""
    from rich.table import Table
    from rich.text import Text

    from nodeprov.diagnosis.doctor.examine import Severity
    from nodeprov.redaction import visible

    shown = Table(box=None, pad_edge=False, show_header=True)
    for name in ("node", "severity", "finding"):
        shown.add_column(name, overflow="fold")
    styles = {Severity.AGAINST: "bold red", Severity.ADVICE: "yellow"}
    for node in nodes:
        own = [finding for finding in findings if finding.node == node]
        if not any(finding.severity is Severity.AGAINST for finding in own):
            shown.add_row(node, Text("sound", style="green"), "nothing stands against an install")
        for finding in own:
            lines = [finding.what, finding.why and f"  why: {finding.why}", f"  hint: {finding.remedy}"]
            said = "\n".join(line for line in lines if line)
            shown.add_row(node, Text(finding.severity.value, style=styles[finding.severity]), Text(visible(said)))
    return shown
