"""The inventory's manual and JSON Schema 2020-12; `python -m nodeprov.inventory.manual` writes both to docs/."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import Schema, Text
from nodeprov.inventory.schema import Setting, settings_of
from nodeprov.inventory.settings import TABLES, Members, Ssh, variable
from nodeprov.templates import render
from nodeprov.toml import value_text

_OF_A_NODE = tuple(name for name in TABLES if name not in ("ssh", "cluster"))


def json_schema() -> Schema:
    """Describe an inventory file; what only all of it together can tell, such as an unknown node, is not in it."""
    nodes = _named("Nodes, by the name that Kubernetes has for each.", "node", syntax.DNS_SUBDOMAIN)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Inventory of nodeprov",
        "type": "object",
        "additionalProperties": False,
        "required": ["nodes"],
        "properties": {
            **{name: _ref(name) for name in TABLES},
            "groups": _named("Groups of nodes, which have settings of their own.", "group", syntax.GROUP),
            "nodes": {**nodes, "minProperties": 1},
            "hosts": _named("Hosts that are reached for kubectl only.", "host", syntax.DNS_SUBDOMAIN),
        },
        "$defs": {
            **{name: _table(table, leaving=("address",)) for name, table in TABLES.items()},
            "group": _machines("Settings of some nodes.", {**_members(), **_keys(Ssh, leaving=("address",))}),
            "node": _machines("A node; what it says lies over what is said for all.", _keys(Ssh)),
            "host": _table(Ssh, doc="A host that is reached, and not provisioned."),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _named(doc: str, definition: str, names: Text) -> Schema:
    return {
        "description": doc,
        "type": "object",
        "propertyNames": names.schema(),
        "additionalProperties": _ref(definition),
    }


def _members() -> Schema:
    return {name: {**key, "minItems": 1, "uniqueItems": True} for name, key in _keys(Members).items()}


def _machines(doc: str, keys: Schema) -> Schema:
    required = {"required": ["nodes"]} if "nodes" in keys else {}
    properties = {**keys, **{name: _ref(name) for name in _OF_A_NODE}}
    return {
        "description": doc,
        "type": "object",
        "additionalProperties": False,
        **required,
        "properties": properties,
    }


def _table(table: type, *, doc: str = "", leaving: Iterable[str] = ()) -> Schema:
    return {
        "description": doc or table.__doc__,
        "type": "object",
        "additionalProperties": False,
        "properties": _keys(table, leaving=leaving),
    }


def _keys(table: type, *, leaving: Iterable[str] = ()) -> Schema:
    return {name: _key(each) for name, each in settings_of(table).items() if name not in leaving}


def _key(setting: Setting) -> Schema:
    said, default = setting.kind.schema(), setting.default
    known = {} if default is None else {"default": list(default) if isinstance(default, tuple) else default}
    expected = said.pop("description", "")
    doc = setting.doc + (f" Expected: {expected}." if expected else "")
    return {"description": doc, **said, **known}


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
