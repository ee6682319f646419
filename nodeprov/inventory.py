"""The inventory: which nodes there are, how they are reached, and what is wanted on them."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from nodeprov import syntax
from nodeprov.errors import UsageError
from nodeprov.schema import Fault, Faulty, nearest, read
from nodeprov.settings import ClusterSettings as ClusterSettings
from nodeprov.settings import ContainerdSettings as ContainerdSettings
from nodeprov.settings import Label as Label
from nodeprov.settings import Paths as Paths
from nodeprov.settings import ProofSettings as ProofSettings
from nodeprov.settings import ReleaseSettings as ReleaseSettings
from nodeprov.settings import RuntimeClassSettings as RuntimeClassSettings
from nodeprov.settings import RuntimeSettings as RuntimeSettings
from nodeprov.settings import Settings as Settings
from nodeprov.settings import Ssh as Ssh

Given = Mapping[str, Any]
"""What a table of the file says, checked, by key."""

_TABLES: Mapping[str, type] = typing.get_type_hints(Settings)
_OF_A_NODE = tuple(name for name in _TABLES if name != "cluster")
"""The tables that a node may have of its own; the cluster is one for all."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster, by the name that Kubernetes has for it."""

    name: str
    ssh: Ssh
    settings: Settings


@dataclass(frozen=True, slots=True)
class Machine:
    """A host that is reached, for kubectl, and is not provisioned."""

    name: str
    ssh: Ssh


@dataclass(frozen=True, slots=True)
class Inventory:
    """The nodes in the order of the file, and the other hosts."""

    path: str
    nodes: tuple[Node, ...]
    hosts: tuple[Machine, ...] = ()

    def ssh(self, name: str) -> Ssh:
        """Say how the node or host of this name is reached; KeyError if there is none."""
        machines: tuple[Node | Machine, ...] = (*self.hosts, *self.nodes)
        return {machine.name: machine.ssh for machine in machines}[name]


def parse(text: str, path: str) -> Inventory:
    """Read an inventory; raise `Faulty` with all that is wrong with it, each with its line."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(error, path) from None
    faults: list[Fault] = []
    inventory = _Reading(raw, faults).inventory(path)
    if not faults:
        faults += [*_cluster_faults(inventory), *_shared_faults(inventory)]
    if faults:
        raise Faulty(faults, text, path)
    return inventory


class _Reading:
    """One reading of a file, which goes on after each fault."""

    def __init__(self, raw: Mapping[str, Any], faults: list[Fault]) -> None:
        self._raw = raw
        self._faults = faults
        self._ssh = self._read(Ssh, raw.get("ssh", {}), ("ssh",))
        self._defaults = {name: self._read(table, raw.get(name, {}), (name,)) for name, table in _TABLES.items()}

    def inventory(self, path: str) -> Inventory:
        """Read all of it; where there are faults, what is returned is of no use."""
        known = (*_TABLES, "ssh", "nodes", "hosts")
        for name in self._raw.keys() - set(known):
            self._fault((name,), "is no table that is known", nearest(name, known))
        if "address" in self._ssh:
            self._fault(
                ("ssh", "address"), "is of one machine, and [ssh] is for all", "write it under [nodes.NAME]"
            )
        nodes = tuple(self._node(*each) for each in self._named("nodes"))
        hosts = tuple(Machine(name, self._machine("hosts", name, raw)) for name, raw in self._named("hosts"))
        if not nodes:
            self._fault((), "it has no nodes", 'describe one:\n[nodes.worker1]\naddress = "10.0.0.11"')
        for name in {node.name for node in nodes} & {host.name for host in hosts}:
            self._fault(("hosts", name), "is a node too", "leave it out here: [cluster] host may name a node")
        return Inventory(path, nodes, hosts)

    def _named(self, kind: str) -> Iterator[tuple[str, Any]]:
        machines = self._raw.get(kind, {})
        if not isinstance(machines, Mapping):
            self._fault((kind,), "is not a table", f"write [{kind}.NAME] for each")
            return
        for name, raw in machines.items():
            if not syntax.DNS_SUBDOMAIN.accepts(name):
                self._fault((kind, name), f"is not {syntax.DNS_SUBDOMAIN.expected}")
            yield name, raw

    def _machine(self, kind: str, name: str, raw: Any, tables: Sequence[str] = ()) -> Ssh:
        given = self._read(Ssh, raw, (kind, name), tables)
        return Ssh(**{"address": name, **self._ssh, **given})

    def _node(self, name: str, raw: Any) -> Node:
        ssh = self._machine("nodes", name, raw, tuple(_TABLES))
        own = raw if isinstance(raw, Mapping) else {}
        if "cluster" in own:
            self._fault(("nodes", name, "cluster"), "is said of one node", "[cluster] is one for all nodes")
        tables = {
            table: self._read(_TABLES[table], own.get(table, {}), ("nodes", name, table)) for table in _OF_A_NODE
        }
        self._check_pins(name, tables["release"])
        merged = {table: _merged(given, tables.get(table, {})) for table, given in self._defaults.items()}
        if "version" not in merged["release"]:
            self._miss_version()
            merged["release"]["version"] = ""
        return Node(name, ssh, Settings(**{table: _TABLES[table](**given) for table, given in merged.items()}))

    def _check_pins(self, name: str, own: Given) -> None:
        """Never check one release by the digests of another."""
        pinned = self._defaults["release"].get("sha512") and not own.get("sha512")
        if pinned and own.get("version", "") not in ("", self._defaults["release"].get("version")):
            self._fault(
                ("nodes", name, "release", "version"),
                "is another release than the one whose digests [release.sha512] pins",
                f"pin its own under [nodes.{name}.release.sha512]",
            )

    def _miss_version(self) -> None:
        if not any(fault.path[-2:] == ("release", "version") for fault in self._faults):
            hint = 'say which: version = "20260905.0", or "latest"'
            self._fault(("release",), "version is missing", hint)

    def _read(self, table: type, raw: Any, path: tuple[str, ...], besides: Sequence[str] = ()) -> dict[str, Any]:
        return read(table, raw, path, self._faults, besides=besides)

    def _fault(self, path: tuple[str, ...], message: str, hint: str = "") -> None:
        self._faults.append(Fault(path, message, hint))


def _merged(defaults: Given, own: Given) -> dict[str, Any]:
    """Lay a node's own keys over those of all nodes; tables in them are laid over each other, as TOML reads."""
    both = {
        name: {**defaults[name], **own[name]}
        for name in defaults.keys() & own.keys()
        if isinstance(own[name], Mapping)
    }
    return {**defaults, **own, **both}


def _cluster_faults(inventory: Inventory) -> Iterator[Fault]:
    host = inventory.nodes[0].settings.cluster.host
    names = [*(node.name for node in inventory.nodes), *(machine.name for machine in inventory.hosts)]
    if host is not None and host not in names:
        yield Fault(
            ("cluster", "host"),
            f"names {host}, which is neither a node nor a host here",
            f"describe it under [hosts.{host}], or leave it out to run kubectl on this machine",
        )


def _shared_faults(inventory: Inventory) -> Iterator[Fault]:
    """Find nodes that want different things of one RuntimeClass: it is one object for all."""
    first: dict[str, Node] = {}
    for node in inventory.nodes:
        wanted = node.settings
        other = first.setdefault(wanted.runtime_class.name, node)
        if _shared(wanted) != _shared(other.settings):
            yield Fault(
                ("nodes", node.name),
                f"wants another RuntimeClass {wanted.runtime_class.name} than {other.name} does: "
                "handler, overhead, tolerations, node_selector and label must be the same",
                f"give it a name of its own: [nodes.{node.name}.runtime_class] name",
            )


def _shared(settings: Settings) -> tuple[Any, ...]:
    return settings.runtime.handler, settings.runtime_class, settings.label


def _no_toml(error: tomllib.TOMLDecodeError, path: str) -> UsageError:
    line = re.search(r"at line (\d+)", str(error))
    return UsageError(
        f"no valid TOML: {error}",
        "strings are quoted, tables begin with [NAME]",
        where=f"{path}:{line[1]}" if line else path,
    )


def select(inventory: Inventory, names: Sequence[str]) -> tuple[Node, ...]:
    """Choose nodes by names and globs, each once and in the inventory's order.

    Raises UsageError for a name that is no node's, and when nothing is chosen.
    """
    known = [node.name for node in inventory.nodes]
    chosen = set[str]()
    for name in names:
        found = [each for each in known if fnmatchcase(each, name)]
        if not found:
            raise _unknown(inventory, name, known)
        chosen.update(found)
    if not chosen:
        raise UsageError("no node is named", f"name some of {', '.join(known)}, or '*' for all")
    return tuple(node for node in inventory.nodes if node.name in chosen)


def _unknown(inventory: Inventory, name: str, known: Sequence[str]) -> UsageError:
    if any(host.name == name for host in inventory.hosts):
        return UsageError(
            f"{name} is a host of {inventory.path} and no node: nothing is installed there",
            f"to install there too, describe it under [nodes.{name}]; nodes are {', '.join(known)}",
        )
    return UsageError(f"no node of {inventory.path} is called {name}", nearest(name, known))
