"""The manual of the inventory, and its schema: `python -m nodeprov.inventory.manual` writes both into docs/."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeprov.inventory.json_schema import default_of, json_schema
from nodeprov.inventory.key_names import TABLES, optional, variable
from nodeprov.inventory.schema import Rule
from nodeprov.inventory.settings import Members
from nodeprov.templates import render
from nodeprov.toml import literal

COMMAND = "python -m nodeprov.inventory.manual"
DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True, slots=True)
class Row:
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
    manual = render("inventory.md.j2", tables=tables, members=members, command=COMMAND)
    return {"inventory.md": manual, "inventory.schema.json": schema}


def _rows(name: str, table: type) -> Iterator[Row]:
    hints = typing.get_type_hints(table)
    for field in dataclasses.fields(table):
        value = _value(optional(hints[field.name]), field.metadata["rule"], field.metadata["names"])
        has_variable = name in TABLES and (name, field.name) != ("ssh", "address")
        its = variable(name, field.name) if has_variable else ""
        yield Row(field.name, field.metadata["doc"], value, _default(field), its)


def _default(field: dataclasses.Field[Any]) -> str:
    default = default_of(field)
    if default is None:
        must_be_said = field.default is dataclasses.MISSING and field.name != "address"
        return "none; it must be said" if must_be_said else ""
    return f"`{literal(default)}`"


def _value(hint: Any, rule: Any, names: Rule | None) -> str:
    """Say in words what a key's value must be."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return f"a list, each {_value(arguments[0], rule, names)}"
    if origin is not Mapping:
        kind = {str: "a string", int: "a whole number", bool: "true or false"}[hint]
        return f"{kind} ({rule.expected})" if rule else kind
    if isinstance(rule, Mapping):
        return "a table of " + ", ".join(f"`{name}` ({each.expected})" for name, each in rule.items())
    named = f" with names ({names.expected})" if names else ""
    return f"a table{named}, each value {_value(arguments[1], rule, None)}"


def write() -> None:
    """Write the files."""
    for name, text in files().items():
        (DOCS / name).write_text(text)


if __name__ == "__main__":
    write()
