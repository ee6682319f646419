"""`nodeprov inventory`: the settings in force, and where each came from."""

from __future__ import annotations

import json
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import inventory
from nodeprov.cli.options import Source, Voice, examples, node_names, spread
from nodeprov.cli.session import load_with_text
from nodeprov.inventory.explanation import explanation_json, explanation_text
from nodeprov.redaction import without_userinfo

app = typer.Typer()

SomeNodes = Annotated[
    list[str],
    typer.Argument(help="As for `plan`; all nodes if none is named.", autocompletion=node_names, metavar="NODE"),
]


@app.command(
    "inventory",
    epilog=examples(
        "nodeprov inventory worker1",
        "nodeprov inventory --set release.version=20260905.0 --json",
        codes="0: it is a good one, 2: it has faults",
    ),
)
@spread
def explain(source: Source, voice: Voice, nodes: SomeNodes = []) -> None:  # noqa: B006  typer's way
    """Show the settings of each node and where each came from; connect to nothing."""
    whole, text = load_with_text(source)
    chosen = inventory.select(whole, nodes or ["*"])
    if voice.as_json:
        print(without_userinfo(json.dumps(explanation_json(whole, chosen, text), indent=2)))
    else:
        print(without_userinfo(explanation_text(whole, chosen, text)))
