"""`nodeprov inventory` and `nodeprov init`, and how every command has its inventory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import inventory
from nodeprov.errors import UsageError
from nodeprov.explanation import explanation_json, explanation_text
from nodeprov.inventory import Inventory

Sets = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Say one setting for this run: release.version=20260905.0, or nodes.worker1.port=2222.",
    ),
]


def load(path: Path, sets: Sequence[str], environment: Mapping[str, str]) -> tuple[Inventory, str]:
    """Read an inventory with what is laid over it, and its text."""
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(
            f"cannot read the inventory {path}: {error.strerror}", "name it: --inventory FILE"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"no valid TOML: byte {error.start + 1} is no UTF-8", "save it as UTF-8", where=str(path)
        ) from None
    return inventory.parse(text, str(path), environment=environment, options=sets), text


def explain(whole: Inventory, text: str, names: Sequence[str], *, as_json: bool) -> None:
    """Print the settings of nodes, all of them if none is named, and where each came from."""
    nodes = inventory.select(whole, names or ["*"])
    if as_json:
        print(json.dumps(explanation_json(whole, nodes, text), indent=2))
    else:
        print(explanation_text(whole, nodes, text))
