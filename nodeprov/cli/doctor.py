"""`nodeprov doctor`: what would block an install, before anybody plans one."""

from __future__ import annotations

import time

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED
from nodeprov.cli.output import show_json, show_table


@options.command(
    "nodeprov doctor 'worker*'",
    "nodeprov doctor worker1 --json",
    codes="0: ready to install, 1: an install would be refused, or a node could not be read",
)
def doctor(
    nodes: options.Nodes,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Check nodes for what would block an install, and give recommendations. Nothing is changed."""
    from nodeprov.cli.session import open_session, print_errors
    from nodeprov.diagnosis.doctor import examine
    from nodeprov.reports.findings import Severity, findings_json, findings_table
    from nodeprov.runtimes import FAMILY

    with open_session(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as fleet:
        results = print_errors(
            fleet.each(lambda node, hosts: (node.name, examine(node, hosts, FAMILY, time.time)))
        )
    findings = [finding for _, found in results.good for finding in found]
    if as_json:
        show_json({"findings": findings_json(findings)}, results.errors)
    else:
        show_table(findings_table([name for name, _ in results.good], findings))
    against = any(finding.severity is Severity.AGAINST for finding in findings)
    raise typer.Exit(FAILED if against or results.errors else DONE)
