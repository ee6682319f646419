"""The nodes and hosts of an inventory, how some are chosen, and what cannot be true of all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from nodeprov.errors import UsageError
from nodeprov.inventory.canary import canary_settings, has_canary
from nodeprov.inventory.faults import Fault, nearest
from nodeprov.inventory.layers import DEFAULT, SettingSource
from nodeprov.inventory.settings import Settings, Ssh
from nodeprov.toml import KeyPath, Lines, key_text

NOT = "!"
"""Before a name: not these nodes."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster, by the name that Kubernetes has for it.

    `sources` has where each setting came from: by table, key and, in a key that is a table, name. What is not
    in it is a default.
    """

    name: str
    ssh: Ssh
    settings: Settings
    sources: Mapping[KeyPath, SettingSource] = field(default_factory=dict, compare=False, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    handlers: Mapping[str, Settings] = field(default_factory=dict)
    """The settings of its handlers besides that of [runtime], by their names: those of [handlers]."""
    canary_of: str = ""
    """Of a view for a canary, the handler whose canary it is."""

    @property
    def views(self) -> tuple[Node, ...]:
        """The node as each of its handlers sees it, that of [runtime] first: with its settings and no others."""
        if not self.handlers:
            return (self,)
        return tuple(self.only(name) for name in (self.settings.runtime.handler, *self.handlers))

    def canary(self, release: str = "") -> Node | None:
        """Return the node as the canary of its handler sees it; None if it has none."""
        if self.canary_of or not has_canary(self.settings):
            return None
        settings = canary_settings(self.settings, release)
        return replace(self, settings=settings, handlers={}, canary_of=self.settings.runtime.handler)

    def only(self, handler: str) -> Node:
        """Return the node with one of its handlers alone; raise UsageError if it has none of that name."""
        if handler == self.settings.runtime.handler:
            return replace(self, handlers={}) if self.handlers else self
        canary = self.canary()
        if canary is not None and handler == canary.settings.runtime.handler:
            return canary
        if handler not in self.handlers:
            known = (self.settings.runtime.handler, *self.handlers)
            raise UsageError(
                f"the inventory has no handler {handler} for this node",
                f"{nearest(handler, known)} Or describe it: [{key_text(('handlers', handler))}]",
                where=self.name,
            )
        above = ("handlers", handler)
        own = {path[2:]: source for path, source in self.sources.items() if path[:2] == above}
        rest = {path: source for path, source in self.sources.items() if path[0] != "handlers"}
        return replace(self, settings=self.handlers[handler], handlers={}, sources={**rest, **own})

    def source(self, *path: str) -> SettingSource:
        """Return where a setting came from."""
        return self.sources.get(path, DEFAULT)


@dataclass(frozen=True, slots=True)
class KubectlHost:
    """A host that is reached, for kubectl, and is not provisioned."""

    name: str
    ssh: Ssh


@dataclass(frozen=True, slots=True)
class Inventory:
    """The nodes in the order of the file, other hosts, the names of each group's nodes, and the file's text."""

    path: str
    nodes: tuple[Node, ...]
    hosts: tuple[KubectlHost, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = field(default="", compare=False, repr=False)

    def place(self, source: SettingSource) -> str:
        """Write for a person where a setting was made: the file and the line, a variable, or an option."""
        return source.text(self.path, Lines(self.text))

    def ssh(self, name: str) -> Ssh:
        """Return how the node or host of this name is reached; KeyError if there is none."""
        machines: tuple[Node | KubectlHost, ...] = (*self.hosts, *self.nodes)
        return {machine.name: machine.ssh for machine in machines}[name]


def select(inventory: Inventory, names: Sequence[str]) -> tuple[Node, ...]:
    """Choose nodes by names, globs and groups (`@gpu`), each once and in the inventory's order.

    A name with ! in front of it leaves nodes out: of those that are named, or else of all.
    Raises UsageError for a name that is no node's, and when nothing is chosen.
    """
    known = [node.name for node in inventory.nodes]
    if not names:
        groups = "".join(f", @{group}" for group in inventory.groups)
        raise UsageError("no node is named", f"name some of {', '.join(known)}{groups}, or give --all")
    named = [name for name in names if not name.startswith(NOT)]
    chosen = _named(inventory, named, known) if named else {*known}
    chosen -= _named(inventory, [name.removeprefix(NOT) for name in names if name.startswith(NOT)], known)
    if not chosen:
        raise UsageError(f"{' '.join(names)} leaves no node", f"there are: {', '.join(known)}")
    return tuple(node for node in inventory.nodes if node.name in chosen)


def _named(inventory: Inventory, names: Sequence[str], known: Sequence[str]) -> set[str]:
    found = set[str]()
    for name in names:
        if not name.isprintable():
            raise UsageError(f"{name!r} is not the name of a node", f"there are: {', '.join(known)}")
        found.update(_of_group(inventory, name) if name.startswith("@") else _matching(inventory, name, known))
    return found


def _of_group(inventory: Inventory, name: str) -> Sequence[str]:
    groups = {f"@{group}": nodes for group, nodes in inventory.groups.items()}
    if name not in groups:
        hint = nearest(name, groups) if groups else "describe one: [groups.NAME] with nodes = [...]"
        raise UsageError(f"no group of {inventory.path} is called {name[1:] or repr(name[1:])}", hint)
    return groups[name]


def _matching(inventory: Inventory, name: str, known: Sequence[str]) -> Sequence[str]:
    found = [each for each in known if fnmatchcase(each, name)]
    if not found:
        raise _unknown(inventory, name, known)
    return found


def _unknown(inventory: Inventory, name: str, known: Sequence[str]) -> UsageError:
    if any(host.name == name for host in inventory.hosts):
        return UsageError(
            f"{name} is a host of {inventory.path} and no node: nothing is installed there",
            f"to install there too, describe it under [nodes.{name}]; nodes are {', '.join(known)}",
        )
    if name in inventory.groups:
        return UsageError(f"{name} is a group of {inventory.path} and no node", f"write @{name} for its nodes")
    if any(letter in name for letter in "*?["):
        return UsageError(f"no node of {inventory.path} matches {name}", f"there are: {', '.join(known)}")
    hint = "every node: --all" if name == "all" else nearest(name, known)
    return UsageError(f"no node of {inventory.path} is called {name or repr(name)}", hint)


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
    """Return where a node's own value came from; a default stands for the node's table."""
    source = node.source(*path)
    return source if source.path or source.name else SettingSource(source.kind, ("nodes", node.name))


def _one_runtime_class_of_two_kinds(inventory: Inventory) -> Iterator[Fault]:
    first: dict[str, Node] = {}
    said = set[KeyPath]()
    for view in _views(inventory):
        wanted, name = view.settings, view.settings.runtime_class.name
        other = first.setdefault(name, view)
        if _shared(wanted) == _shared(other.settings) or (place := _place(inventory, view)) in said:
            continue
        said.add(place)
        if other.name == view.name:
            yield Fault(
                place,
                f"has the RuntimeClass {name} of the handler {other.settings.runtime.handler}: "
                "a RuntimeClass leads to one handler",
                f"give it a name of its own: [{_table(inventory, view, 'runtime_class')}] name",
            )
        else:
            yield Fault(
                place,
                f"wants another RuntimeClass {name} than {other.name} does: "
                "handler, overhead, tolerations, node_selector and label must be the same",
                f"give it a name of its own: [{_table(inventory, view, 'runtime_class')}] name",
            )


def _one_label_for_two_handlers(inventory: Inventory) -> Iterator[Fault]:
    """Each RuntimeClass would send its pods also to the nodes of the other, which do not know its handler."""
    first: dict[tuple[Any, ...], Node] = {}
    for view in _views(inventory):
        wanted = view.settings
        other = first.setdefault(_chosen_by(view), view)
        there = other.settings
        if (
            wanted.runtime.handler == there.runtime.handler
            or wanted.runtime_class.name == there.runtime_class.name
        ):
            continue
        lacking = _lacking(inventory, _chosen_by(view), view.settings.runtime.handler)
        if lacking:
            yield Fault(
                _place(inventory, view),
                f"has the handler {wanted.runtime.handler} and the label of {lacking}, which has the handler "
                f"{there.runtime.handler}: pods of either would be sent to both",
                f"give it a label of its own: [{_table(inventory, view, 'label')}] key",
            )


def _lacking(inventory: Inventory, chosen_by: tuple[Any, ...], handler: str) -> str:
    """Name the first node that a handler's pods would be sent to and that does not have it; "" if all have."""
    for node in inventory.nodes:
        views = [view for view in node.views if _chosen_by(view) == chosen_by]
        if views and handler not in [view.settings.runtime.handler for view in views]:
            return node.name
    return ""


def _views(inventory: Inventory) -> Iterator[Node]:
    for node in inventory.nodes:
        yield from node.views


def _place(inventory: Inventory, view: Node) -> KeyPath:
    """Return where a fault of a view is: at its node, or at the table of its handler that is nearest to it."""
    node = next(each for each in inventory.nodes if each.name == view.name)
    name = view.settings.runtime.handler
    if name not in node.handlers:
        return ("nodes", view.name)
    own = [source.path for path, source in node.sources.items() if path[:2] == ("handlers", name) and source.path]
    found = [path[: path.index("handlers") + 2] for path in own if "handlers" in path]
    return found[-1] if found else ("handlers", name)


def _table(inventory: Inventory, view: Node, table: str) -> str:
    return key_text((*_place(inventory, view), table))


def _chosen_by(view: Node) -> tuple[Any, ...]:
    """Return by what the pods of a view's RuntimeClass are sent to nodes."""
    return view.settings.label, tuple(sorted(view.settings.runtime_class.node_selector.items()))


def _shared(settings: Settings) -> tuple[Any, ...]:
    return settings.runtime.handler, settings.runtime_class, settings.label
