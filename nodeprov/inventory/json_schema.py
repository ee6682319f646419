"""The inventory's JSON Schema (2020-12), for editors: made of the same tables of settings that read it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from nodeprov.inventory import syntax
from nodeprov.inventory.key_names import TABLES, optional
from nodeprov.inventory.schema import Rule
from nodeprov.inventory.settings import Members, Ssh

Schema = dict[str, Any]

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


def _named(doc: str, definition: str, names: Rule) -> Schema:
    return {
        "description": doc,
        "type": "object",
        "propertyNames": _ruled(names, str),
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
    hints = typing.get_type_hints(table)
    fields: Iterable[dataclasses.Field[Any]] = dataclasses.fields(table)
    return {each.name: _key(each, hints[each.name]) for each in fields if each.name not in leaving}


def _key(field: dataclasses.Field[Any], hint: Any) -> Schema:
    said = _value(optional(hint), field.metadata["rule"], field.metadata["names"])
    default = default_of(field)
    known = {} if default is None else {"default": list(default) if isinstance(default, tuple) else default}
    expected = said.pop("description", "")
    doc = field.metadata["doc"] + (f" Expected: {expected}." if expected else "")
    return {"description": doc, **said, **known}


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a key; None if it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _value(hint: Any, rule: Any, names: Rule | None) -> Schema:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": _value(arguments[0], rule, names)}
    if origin is not Mapping:
        return _ruled(rule, hint)
    if isinstance(rule, Mapping):
        properties = {name: _ruled(each, str if each.pattern else int) for name, each in rule.items()}
        return {"type": "object", "additionalProperties": False, "properties": properties}
    return {
        "type": "object",
        **({"propertyNames": _ruled(names, str)} if names else {}),
        "additionalProperties": _value(arguments[1], rule, None),
    }


def _ruled(rule: Rule | None, hint: type) -> Schema:
    kinds: Mapping[type, str] = {str: "string", int: "integer", bool: "boolean"}
    said: Schema = {"type": kinds[hint]}
    if rule is not None:
        said["description"] = rule.expected
        bounds = {"minimum": rule.at_least, "maximum": rule.at_most}
        said |= {name: bound for name, bound in bounds.items() if bound is not None}
    if rule is not None and rule.pattern is not None:
        said["pattern"] = f"^(?:{rule.pattern})$"
    return said
