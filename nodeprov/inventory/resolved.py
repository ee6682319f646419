"""The settings of some nodes as an inventory of its own: everything said, nothing left to defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeprov.inventory.nodes import Inventory, Node
from nodeprov.templates import toml_string


def inventory_text(whole: Inventory, nodes: Sequence[Node]) -> str:
    """Write an inventory of these nodes alone, and of the host that runs kubectl for them, as TOML.

    Read back it gives the same nodes, whatever the defaults are then.
    """
    cluster = nodes[0].settings.cluster
    if not cluster.enabled:
        cluster = dataclasses.replace(cluster, host=None)
    lines = list(_table(("cluster",), cluster))
    if cluster.host and cluster.host not in {node.name for node in nodes}:
        lines += _table(("hosts", cluster.host), whole.ssh(cluster.host))
    for node in nodes:
        lines += _table(("nodes", node.name), node.ssh)
        for field in dataclasses.fields(node.settings):
            if field.name != "cluster":
                lines += _table(("nodes", node.name, field.name), getattr(node.settings, field.name))
    return "\n".join(lines) + "\n"


def _table(path: Sequence[str], table: Any) -> Iterator[str]:
    yield f"[{'.'.join(_name(part) for part in path)}]"
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if value is not None:
            yield f"{field.name} = {_value(value)}"


def _name(part: str) -> str:
    return part if part.replace("_", "").replace("-", "").isalnum() and part.isascii() else toml_string(part)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case Mapping():
            inner = ", ".join(f"{_name(name)} = {_value(each)}" for name, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case tuple() | list():
            return f"[{', '.join(_value(each) for each in value)}]"
    return toml_string(value)
