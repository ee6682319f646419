"""A first inventory, for somebody who has none yet: of answers, and of what kubectl and ~/.ssh/config know."""

import ipaddress
import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nodeprov.errors import MALFORMED_JSON, NodeprovError
from nodeprov.inventory import syntax
from nodeprov.inventory.faults import Faulty
from nodeprov.inventory.parser import parse
from nodeprov.inventory.settings import Ssh
from nodeprov.templates import render
from nodeprov.toml import key_text

ARCHITECTURES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
"""What runtimes are published for, as Kubernetes and as `uname -m` write it."""

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_ADDRESSES = ("InternalIP", "ExternalIP")
KUBECTL_HOST = "kubectl"
"""The name of the machine that runs kubectl, where only its address is known."""


@dataclass(frozen=True, slots=True)
class FoundNode:
    """A node that the cluster has; its addresses, those inside of the cluster first."""

    name: str
    addresses: tuple[str, ...]
    system: str
    architecture: str
    is_control_plane: bool

    @property
    def can_run(self) -> bool:
        """Whether runtimes are published for it."""
        return self.system == "linux" and self.architecture in ARCHITECTURES


def found_nodes(text: str) -> tuple[FoundNode, ...]:
    """Read what `kubectl get nodes -o json` prints; raise NodeprovError if it is something else."""
    try:
        return tuple(_node(item) for item in json.loads(text)["items"])
    except MALFORMED_JSON:
        raise NodeprovError(
            f"kubectl printed no list of nodes, but: {text.strip()[:80]!r}", "try: kubectl get nodes -o json"
        ) from None


def _node(item: Mapping[str, Any]) -> FoundNode:
    metadata, status = item["metadata"], item["status"]
    name = metadata["name"]
    if not syntax.DNS_SUBDOMAIN.accepts(name):
        raise ValueError(name)
    given = status.get("addresses", [])
    addresses = [each["address"] for kind in _ADDRESSES for each in given if each["type"] == kind]
    information = status["nodeInfo"]
    labels = metadata.get("labels", {})
    return FoundNode(
        name,
        tuple(address for address in addresses if syntax.ADDRESS.accepts(address)),
        _word(information["operatingSystem"]),
        _word(information["architecture"]),
        any(role in labels for role in _CONTROL_PLANE),
    )


def _word(value: Any) -> str:
    """Let nothing but a word pass: it becomes a part of a comment."""
    return value if isinstance(value, str) and re.fullmatch("[a-z0-9]+", value) else "unknown"


def ssh_aliases(text: str) -> frozenset[str]:
    """List the names for which OpenSSH's client configuration has a `Host` without a wildcard."""
    found: set[str] = set()
    for line in text.splitlines():
        keyword, _, names = line.strip().replace("=", " ", 1).partition(" ")
        if keyword.lower() == "host":
            found.update(_words(names))
    return frozenset(name for name in found if not name.startswith("!") and not set("*?") & set(name))


def _words(names: str) -> list[str]:
    try:
        return shlex.split(names, comments=True)
    except ValueError:  # a quote that is not closed
        return []


@dataclass(frozen=True, slots=True)
class DraftMachine:
    """A node or host: its name, its address if it is not to be looked up by its name, and why that is so."""

    name: str
    address: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Machines:
    """The nodes to provision, the other hosts, and in words what was left out and why."""

    nodes: tuple[DraftMachine, ...]
    hosts: tuple[DraftMachine, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """How machines and the cluster are reached, as it was answered; None is no answer."""

    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    known_hosts: str | None = None
    kubectl_host: str | None = None
    kubeconfig: str | None = None
    context: str | None = None

    def ssh(self, address: str) -> Ssh:
        """Return how a machine is reached."""
        return Ssh(address, self.port, self.user, self.identity_file, self.known_hosts)


def machines_of(found: Sequence[FoundNode], aliases: Collection[str]) -> Machines:
    """Make nodes and hosts of what a cluster has.

    Control-plane nodes are hosts, unless there are no others. What no runtime is published for is left out.

    Raises NodeprovError if nothing is left.
    """
    left_out = tuple(
        f"{each.name} is {each.system}/{each.architecture}: the runtime is for linux, amd64 and arm64"
        for each in found
        if not each.can_run
    )
    fit = [each for each in found if each.can_run]
    workers = [each for each in fit if not each.is_control_plane]
    if not fit:
        said = "; ".join(left_out) or "it has no nodes"
        raise NodeprovError(
            f"the cluster has no node for the runtime: {said}", "look at it: kubectl get nodes -o wide"
        )
    hosts = [each for each in fit if each.is_control_plane] if workers else []
    return Machines(
        tuple(_entry(each, aliases) for each in workers or fit),
        tuple(_entry(each, aliases) for each in hosts),
        left_out,
    )


def _entry(found: FoundNode, aliases: Collection[str]) -> DraftMachine:
    if found.name in aliases:
        return DraftMachine(found.name, note="as ~/.ssh/config says: it has a Host of this name")
    if not found.addresses:
        return DraftMachine(found.name, note="the cluster knows no address of it: its name is looked up")
    return DraftMachine(found.name, found.addresses[0])


def with_kubectl_host(machines: Machines, address: str, found: Sequence[FoundNode] = ()) -> tuple[Machines, str]:
    """Find the machine that runs kubectl among the others by name or address, or add it; return its name too."""
    known = {each.name: each.addresses for each in found}
    for entry in (*machines.nodes, *machines.hosts):
        if address in (entry.name, entry.address):
            return machines, entry.name
        if address in known.get(entry.name, ()):
            return _reached_at(machines, entry, address), entry.name
    entry = DraftMachine(address) if _is_name(address) else DraftMachine(KUBECTL_HOST, address)
    return replace(machines, hosts=(*machines.hosts, entry)), entry.name


def _reached_at(machines: Machines, entry: DraftMachine, address: str) -> Machines:
    """Give a machine the one of its addresses that is known to answer, unless ~/.ssh/config has it."""
    if entry.address is None:
        return machines
    reached = replace(entry, address=address)
    nodes = tuple(reached if each is entry else each for each in machines.nodes)
    hosts = tuple(reached if each is entry else each for each in machines.hosts)
    return replace(machines, nodes=nodes, hosts=hosts)


def _is_name(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return syntax.DNS_SUBDOMAIN.accepts(address)
    return False


def draft_text(machines: Machines, access: Access, *, version: str, base_url: str | None, path: str) -> str:
    """Write the inventory's text, which is one that nodeprov reads.

    Raises NodeprovError if the answers together make none: two nodes at one address, for example.
    """
    values = {"machines": machines, "access": access, "version": version, "base_url": base_url}
    text = render("inventory/inventory.toml.j2", **values, key_text=key_text)
    try:
        parse(text, path)
    except Faulty as faulty:
        raise NodeprovError(f"these answers make no inventory:\n{faulty}") from None
    return text
