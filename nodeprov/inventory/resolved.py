"""The settings of some nodes as an inventory of its own: everything said, nothing left to defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from nodeprov.inventory.nodes import Inventory, Node
from nodeprov.toml import KeyPath, key_text, value_text


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


def _table(path: KeyPath, table: Any) -> Iterator[str]:
    yield f"[{key_text(path)}]"
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if value is not None:
            yield f"{field.name} = {value_text(value)}"
