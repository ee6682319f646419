"""The inventory's manual and JSON Schema 2020-12; `python -m nodeprov.inventory.manual` writes both to docs/."""

import inspect
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import Schema, Text
from nodeprov.inventory.schema import Setting, settings_of
from nodeprov.inventory.settings import (
    HANDLER_TABLES,
    NODE_TABLES,
    TABLES,
    HandlerSettings,
    Members,
    NodeLabels,
    Ssh,
    variable,
)
from nodeprov.inventory.ssh_config import RULES, Fate
from nodeprov.templates import render
from nodeprov.toml import value_text

COMMAND = "python -m nodeprov.inventory.manual"
DOCS = Path(__file__).parents[2] / "docs"


def json_schema() -> Schema:
    """Describe an inventory file; what only all of it together can tell, such as an unknown node, is not in it."""
    tables = {name: _ref(name) for name in NODE_TABLES}
    of_group = _keys(Ssh, leaving=("address",))
    members = {name: {**key, "minItems": 1, "uniqueItems": True} for name, key in _keys(Members).items()}
    labels = _keys(NodeLabels)
    nodes = _named("Nodes, by the name that Kubernetes has for each.", "node", syntax.DNS_SUBDOMAIN)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Inventory of nodeprov",
        "type": "object",
        "additionalProperties": False,
        "required": ["nodes"],
        "properties": {
            **{name: _ref(name) for name in TABLES},
            "handlers": _handlers(),
            "groups": _named("Groups of nodes, which have settings of their own.", "group", syntax.GROUP),
            "nodes": {**nodes, "minProperties": 1},
            "hosts": _named("Hosts that are reached for kubectl only.", "host", syntax.DNS_SUBDOMAIN),
        },
        "$defs": {
            **{
                name: _table(_described(table), _keys(table, leaving=("address",)))
                for name, table in TABLES.items()
            },
            "group": _table(
                "Settings of some nodes.",
                {**members, **labels, **of_group, **tables, "handlers": _handlers()},
                required=["nodes"],
            ),
            "node": _table(
                "A node; its settings override those for all nodes.",
                {**_keys(Ssh), **labels, **tables, "handlers": _handlers()},
            ),
            "handler": _table(
                _described(HandlerSettings),
                {**_keys(HandlerSettings), **{name: _ref(name) for name in HANDLER_TABLES}},
            ),
            "host": _table("A host that is reached, and not provisioned.", _keys(Ssh)),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _handlers() -> Schema:
    return _named("Handlers besides that of [runtime], by their names.", "handler", syntax.HANDLER)


def _named(doc: str, definition: str, names: Text) -> Schema:
    return {
        "description": doc,
        "type": "object",
        "propertyNames": names.schema(),
        "additionalProperties": _ref(definition),
    }


def _described(table: type) -> str:
    return inspect.cleandoc(table.__doc__ or "")


def _table(doc: str | None, keys: Schema, **more: Any) -> Schema:
    return {"description": doc, "type": "object", "additionalProperties": False, **more, "properties": keys}


def _keys(table: type, *, leaving: Iterable[str] = ()) -> Schema:
    return {name: _key(each) for name, each in settings_of(table).items() if name not in leaving}


def _key(setting: Setting) -> Schema:
    said, default = setting.kind.schema(), setting.default
    known = {} if default is None else {"default": list(default) if isinstance(default, tuple) else default}
    expected = said.pop("description", "")
    doc = setting.doc + (f" Expected: {expected}." if expected else "")
    return {"description": doc, **said, **known}


def files() -> Mapping[str, str]:
    """Make the texts of the files below docs/, by name."""
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    tables = {name: (_described(table), _rows(name, table)) for name, table in TABLES.items()}
    values = {
        "tables": tables,
        "members": _rows("groups", Members),
        "labels": _rows("nodes", NodeLabels),
        "handlers": _rows("handlers", HandlerSettings),
        "ssh_config": {fate.value: [rule for rule in RULES if rule.fate is fate] for fate in Fate},
    }
    manual = render("inventory/inventory.md.j2", **values, command=COMMAND)
    return {"inventory.md": manual, "inventory.schema.json": schema}


def _rows(name: str, table: type) -> list[Mapping[str, str]]:
    return [
        {
            "key": key,
            "doc": each.doc,
            "value": each.kind.described(),
            "default": _default(each),
            "variable": variable(name, key) if name in TABLES and (name, key) != ("ssh", "address") else "",
        }
        for key, each in settings_of(table).items()
    ]


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "none; it must be set" if setting.is_required and setting.name != "address" else ""
    return f"`{value_text(setting.default)}`"


if __name__ == "__main__":
    for file_name, content in files().items():
        (DOCS / file_name).write_text(content)
