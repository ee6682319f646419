"""The settings of nodes written out: each with where it came from, or all of them as an inventory of their own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from nodeprov.inventory.layers import SettingSource
from nodeprov.inventory.nodes import Inventory, Node
from nodeprov.inventory.settings import HANDLER_TABLES, OF_ALL_TABLES, HandlerSettings, Settings
from nodeprov.toml import KeyPath, Lines, key_text, value_text

NOT_SET = "not set"
WIDEST_VALUE = 50
"""A longer one, such as a digest, moves its own place aside and nobody else's."""
OF_HANDLERS = ("runtime", *HANDLER_TABLES)
"""The tables of a handler that are shown; all others are those of the node."""
NOT_OF_HANDLERS = (("runtime", "handler"), ("runtime", "canary"))
_GAP = "  "


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One effective setting of a node: the path of table and key, the value, and where it came from."""

    path: KeyPath
    value: Any
    source: SettingSource


def values(node: Node) -> Iterator[SettingValue]:
    """List all settings of a node in the order of the manual; a key that is a table counts by the names in it."""
    for name, value in node.labels.items():
        yield SettingValue(("labels", name), value, node.source("labels", name))
    tables = [("ssh", node.ssh), *((each.name, getattr(node.settings, each.name)) for each in fields(Settings))]
    for table, said in tables:
        for each in fields(said):
            value = getattr(said, each.name)
            path = (table, each.name)
            inner = value if isinstance(value, Mapping) else {}
            for name in inner:
                yield SettingValue((*path, name), value[name], node.source(*path, name))
            if not inner:
                yield SettingValue(path, value, node.source(*path))
    for name in node.handlers:
        for setting in values(node.only(name)):
            if setting.path[0] in OF_HANDLERS and setting.path not in NOT_OF_HANDLERS:
                yield SettingValue(("handlers", name, *setting.path), setting.value, setting.source)


def explanation_text(inventory: Inventory, nodes: Sequence[Node]) -> str:
    """Write the settings for a person: what all nodes share once, and under each node what is its own."""
    lines = Lines(inventory.text)
    rows = {node.name: {each.path: _row(each, inventory.path, lines) for each in values(node)} for node in nodes}
    first, *others = rows.values()
    common = {path: row for path, row in first.items() if all(other.get(path) == row for other in others)}
    blocks = []
    if common and others:
        blocks.append(_block(f"all {len(nodes)} nodes", common))
    for node in nodes:
        own = {path: row for path, row in rows[node.name].items() if not others or path not in common}
        blocks.append(_block(_title(inventory, node), own))
    return "\n\n".join(blocks)


def _title(inventory: Inventory, node: Node) -> str:
    groups = [f"@{name}" for name, members in inventory.groups.items() if node.name in members]
    return f"{node.name} ({', '.join(groups)})" if groups else node.name


def _row(value: SettingValue, file: str, lines: Lines) -> tuple[str, str]:
    shown = NOT_SET if value.value is None else value_text(value.value)
    return shown, value.source.text(file, lines)


def _block(title: str, rows: Mapping[KeyPath, tuple[str, str]]) -> str:
    """Write a title, and below it aligned columns, a header for each table."""
    names = {path: key_text(path[3:] if path[0] == "handlers" else path[1:]) for path in rows}
    wide = max(map(len, names.values()), default=0)
    wider = min(max((len(shown) for shown, _ in rows.values()), default=0), WIDEST_VALUE)
    written = [title]
    table = ""
    for path, (shown, place) in rows.items():
        if (header := _header(path)) != table:
            table = header
            written.append(f"{_GAP}[{table}]")
        written.append(f"{_GAP * 2}{names[path]:{wide}}{_GAP}{shown:{wider}}{_GAP}{place}")
    return "\n".join(written)


def _header(path: KeyPath) -> str:
    """Name the table that a row stands in; a handler's keys of [runtime] stand in its own."""
    if path[0] != "handlers":
        return path[0]
    return key_text(path[:2] if path[2] == "runtime" else path[:3])


def explanation_json(inventory: Inventory, nodes: Sequence[Node]) -> dict[str, Any]:
    """Write the settings as plain values; docs/json.md describes them."""
    lines = Lines(inventory.text)
    return {
        "inventory": inventory.path,
        "nodes": [
            {
                "node": node.name,
                "groups": [name for name, members in inventory.groups.items() if node.name in members],
                "settings": [_setting_json(each, inventory.path, lines) for each in values(node)],
            }
            for node in nodes
        ],
    }


def _setting_json(value: SettingValue, file: str, lines: Lines) -> dict[str, Any]:
    source = value.source
    return {
        "table": value.path[0],
        "key": key_text(value.path[1:]),
        "value": value.value,
        "layer": source.kind.value,
        "from": source.text(file, lines),
        "line": lines.of(source.path) if source.path else None,
    }


def _handler_lines(node: Node) -> Iterator[str]:
    """Write a node's handlers besides that of [runtime]."""
    for name, settings in node.handlers.items():
        above = ("nodes", node.name, "handlers", name)
        runtime = settings.runtime
        yield from _table(
            above, HandlerSettings(runtime.platform, runtime.flags, runtime.strict, runtime.mount_hints)
        )
        for table in HANDLER_TABLES:
            yield from _table((*above, table), getattr(settings, table))


def inventory_text(whole: Inventory, nodes: Sequence[Node]) -> str:
    """Write an inventory of these nodes alone, and of the host that runs kubectl for them, as TOML.

    Read back it gives the same nodes, whatever the defaults are then.
    """
    cluster = nodes[0].settings.cluster
    if not cluster.enabled:
        cluster = replace(cluster, host=None)
    first = nodes[0].settings
    lines = [
        *_table(("cluster",), cluster),
        *_table(("rollout",), first.rollout),
        *_table(("trust",), first.trust),
    ]
    if cluster.host and cluster.host not in {node.name for node in nodes}:
        lines += _table(("hosts", cluster.host), whole.ssh(cluster.host))
    for node in nodes:
        lines += _table(("nodes", node.name), node.ssh)
        lines += [f"labels = {value_text(node.labels)}"] if node.labels else []
        for field in fields(node.settings):
            if field.name not in OF_ALL_TABLES:
                lines += _table(("nodes", node.name, field.name), getattr(node.settings, field.name))
        lines += _handler_lines(node)
    return "\n".join(lines) + "\n"


def _table(path: KeyPath, table: Any) -> Iterator[str]:
    yield f"[{key_text(path)}]"
    for field in fields(table):
        value = getattr(table, field.name)
        if value is not None:
            yield f"{field.name} = {value_text(value)}"
