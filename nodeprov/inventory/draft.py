"""A first inventory, as it is written for somebody who has none yet."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from nodeprov.errors import NodeprovError
from nodeprov.inventory import syntax
from nodeprov.inventory.discovered import FoundNode
from nodeprov.inventory.faults import Faulty
from nodeprov.inventory.parser import parse
from nodeprov.inventory.settings import Ssh
from nodeprov.templates import render
from nodeprov.toml import key_text

KUBECTL_HOST = "kubectl"
"""The name of the machine that runs kubectl, where only its address is known."""


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
    """How machines and the cluster are reached, as it was answered; None is not said."""

    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    known_hosts: str | None = None
    kubectl_host: str | None = None
    kubeconfig: str | None = None
    context: str | None = None

    def ssh(self, address: str) -> Ssh:
        """Say how a machine is reached."""
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


def draft(machines: Machines, access: Access, *, version: str, base_url: str | None, path: str) -> str:
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
