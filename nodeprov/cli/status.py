"""`nodeprov status`: how nodes stand, and what is left to finish."""

from __future__ import annotations

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED, PENDING


@options.command(
    "nodeprov status 'worker*'",
    "nodeprov status worker1 --json",
    codes="0: no run is unfinished, 1: a node could not be read, 3: a run is in progress, or did not finish",
)
def status(
    nodes: options.Nodes,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show what is installed, how the last run ended, and whether a node rolled back on its own."""
    from nodeprov.cli.output import show_json, show_text
    from nodeprov.cli.session import open_session, print_errors
    from nodeprov.diagnosis import status as node_status
    from nodeprov.hosts.base import Place
    from nodeprov.runtimes import FAMILY

    with open_session(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as fleet:
        results = print_errors(fleet.each(lambda node, hosts: node_status.read(node, hosts[Place.NODE], FAMILY)))
    if as_json:
        show_json({"nodes": [node_status.as_json(each) for each in results.good]}, results.errors)
    else:
        for each in results.good:
            show_text(node_status.text(each))
    if results.errors:
        raise typer.Exit(FAILED)
    raise typer.Exit(DONE if all(each.is_settled for each in results.good) else PENDING)
