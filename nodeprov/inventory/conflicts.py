"""What cannot be true of all the nodes of an inventory together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nodeprov.inventory.faults import Fault
from nodeprov.inventory.layers import SettingSource
from nodeprov.inventory.nodes import Inventory, Node
from nodeprov.inventory.settings import Settings
from nodeprov.toml import key_text


def conflicts(inventory: Inventory) -> Iterator[Fault]:
    """Find what contradicts between nodes and hosts, each with the place of the later word."""
    yield from _unknown_kubectl_host(inventory)
    yield from _one_machine_twice(inventory)
    yield from _one_runtime_class_of_two_kinds(inventory)
    yield from _one_label_for_two_handlers(inventory)


def _unknown_kubectl_host(inventory: Inventory) -> Iterator[Fault]:
    first = inventory.nodes[0]
    host = first.settings.cluster.host
    names = [*(node.name for node in inventory.nodes), *(machine.name for machine in inventory.hosts)]
    if host is not None and host not in names:
        yield first.source("cluster", "host").fault(
            f"names {host}, which is neither a node nor a host here",
            f"describe it under [{key_text(('hosts', host))}], or leave it out to run kubectl on this machine",
        )


def _one_machine_twice(inventory: Inventory) -> Iterator[Fault]:
    first: dict[tuple[Any, ...], Node] = {}
    for node in inventory.nodes:
        ssh = node.ssh
        other = first.setdefault((ssh.address, ssh.port, ssh.config_file), node)
        if other is not node:
            port = f" port {ssh.port}" if ssh.port else ""
            message = f"is {ssh.address}{port}, and so is {other.name}'s: one machine cannot be two nodes"
            hint = f"correct one of the two, or leave {node.name} out"
            yield _own(node, "ssh", "address").fault(message, hint)


def _own(node: Node, *path: str) -> SettingSource:
    """Say where a node's own value came from; a default stands for the node's table."""
    source = node.source(*path)
    return source if source.path or source.name else SettingSource(source.kind, ("nodes", node.name))


def _one_runtime_class_of_two_kinds(inventory: Inventory) -> Iterator[Fault]:
    first: dict[str, Node] = {}
    for node in inventory.nodes:
        wanted = node.settings
        other = first.setdefault(wanted.runtime_class.name, node)
        if _shared(wanted) != _shared(other.settings):
            yield Fault(
                ("nodes", node.name),
                f"wants another RuntimeClass {wanted.runtime_class.name} than {other.name} does: "
                "handler, overhead, tolerations, node_selector and label must be the same",
                f"give it a name of its own: [{key_text(('nodes', node.name, 'runtime_class'))}] name",
            )


def _one_label_for_two_handlers(inventory: Inventory) -> Iterator[Fault]:
    """Each RuntimeClass would send its pods also to the nodes of the other, which do not know its handler."""
    first: dict[tuple[Any, ...], Node] = {}
    for node in inventory.nodes:
        wanted = node.settings
        other = first.setdefault((wanted.label, tuple(sorted(wanted.runtime_class.node_selector.items()))), node)
        there = other.settings
        if (
            wanted.runtime.handler != there.runtime.handler
            and wanted.runtime_class.name != there.runtime_class.name
        ):
            yield Fault(
                ("nodes", node.name),
                f"has the handler {wanted.runtime.handler} and the label of {other.name}, whose handler is "
                f"{there.runtime.handler}: pods of either would be sent to both",
                f"give it a label of its own: [{key_text(('nodes', node.name, 'label'))}] key",
            )


def _shared(settings: Settings) -> tuple[Any, ...]:
    return settings.runtime.handler, settings.runtime_class, settings.label
