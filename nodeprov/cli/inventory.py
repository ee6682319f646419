"""`nodeprov inventory`: the settings in force, and where each came from."""

from __future__ import annotations

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import show_json, show_text

app = typer.Typer(add_completion=False)


@app.command(
    "inventory",
    epilog=options.examples(
        "nodeprov inventory worker1",
        "nodeprov inventory --set release.version=20260905.0 --json",
        codes="0: the inventory is valid, 2: it is not",
    ),
)
def explain(
    nodes: options.SomeNodes = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show the settings of each node, and where each comes from. Nothing is connected to."""
    from nodeprov.cli.inventory_file import load_with_text
    from nodeprov.inventory import select
    from nodeprov.inventory.explanation import explanation_json, explanation_text
    from nodeprov.redaction import without_userinfo

    whole, text = load_with_text(inventory, sets)
    chosen = select(whole, nodes) if nodes else whole.nodes
    if as_json:
        show_json(explanation_json(whole, chosen, text))
    else:
        show_text(without_userinfo(explanation_text(whole, chosen, text)))
