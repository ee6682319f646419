"""The manual of the inventory, and its schema: `python -m nodeprov.inventory.manual` writes both into docs/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeprov.inventory.json_schema import json_schema
from nodeprov.inventory.key_names import TABLES, variable
from nodeprov.inventory.schema import Setting, settings_of
from nodeprov.inventory.settings import Members
from nodeprov.templates import render
from nodeprov.toml import value_text

COMMAND = "python -m nodeprov.inventory.manual"
DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as the manual shows it."""

    key: str
    doc: str
    value: str
    default: str
    variable: str


def files() -> Mapping[str, str]:
    """Make the texts of the files below docs/, by name."""
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    tables = {name: (table.__doc__, list(_rows(name, table))) for name, table in TABLES.items()}
    members = list(_rows("groups", Members))
    manual = render("inventory/inventory.md.j2", tables=tables, members=members, command=COMMAND)
    return {"inventory.md": manual, "inventory.schema.json": schema}


def _rows(name: str, table: type) -> Iterator[KeyRow]:
    for key, each in settings_of(table).items():
        has_variable = name in TABLES and (name, key) != ("ssh", "address")
        yield KeyRow(
            key, each.doc, each.kind.described(), _default(each), variable(name, key) if has_variable else ""
        )


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "none; it must be said" if setting.is_required and setting.name != "address" else ""
    return f"`{value_text(setting.default)}`"


def write() -> None:
    """Write the files."""
    for name, text in files().items():
        (DOCS / name).write_text(text)


if __name__ == "__main__":
    write()
