"""The inventory's JSON Schema (2020-12), for editors: made of the same tables of settings that read it."""

from __future__ import annotations

from collections.abc import Iterable

from nodeprov.inventory import syntax
from nodeprov.inventory.key_names import TABLES
from nodeprov.inventory.kinds import Schema, Text
from nodeprov.inventory.schema import Setting, settings_of
from nodeprov.inventory.settings import Members, Ssh

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
