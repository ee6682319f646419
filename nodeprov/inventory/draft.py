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
    obstacle: str = ""
    """Why nothing can be installed there though a runtime is published for it: what it is, and what that means."""

    @property
    def is_published(self) -> bool:
        """Whether runtimes are published for it."""
        return self.system == "linux" and self.architecture in ARCHITECTURES

    @property
    def can_run(self) -> bool:
        """Whether a runtime can be installed there."""
        return self.is_published and not self.obstacle

    @property
    def why_not(self) -> str:
        """Why it cannot."""
        if self.is_published:
            return f"{self.name} {self.obstacle}"
        return f"{self.name} is {self.system}/{self.architecture}: the runtime is for linux, amd64 and arm64"


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
        _obstacle(item),
    )


_NO_MACHINE = "there is no machine to log in to"
_COMPUTE_TYPES = {
    "fargate": f"is AWS Fargate: {_NO_MACHINE}",
    "auto": "is run by EKS Auto Mode: it allows no login",
}
_VIRTUAL_TYPES = ("virtual-kubelet", "virtual-node", "kwok")
_OTHER_RUNTIMES = {"cri-o": "CRI-O", "docker": "Docker"}
_WITHOUT_SSH = ("Talos", "Bottlerocket")


def _obstacle(item: Mapping[str, Any]) -> str:
    """Say why nothing can be installed on a node, by what its kubelet and its provider tell of it; "" if it can.

    Virtual Kubelet's nodes have a label `type` and a taint (virtual-kubelet.io/docs/setup), Fargate's and Auto
    Mode's a compute type (docs.aws.amazon.com/eks/latest/userguide); of others kubelet reports the runtime.
    """
    labels, information = _texts(item["metadata"].get("labels")), _texts(item["status"]["nodeInfo"])
    if found := _COMPUTE_TYPES.get(labels.get("eks.amazonaws.com/compute-type", "")):
        return found
    if _is_virtual(item, labels):
        return f"is a virtual node: {_NO_MACHINE}"
    system = next((name for name in _WITHOUT_SSH if information.get("osImage", "").startswith(name)), "")
    if system:
        return f"runs {system}, which has no SSH and cannot be changed"
    runtime, has_version, _ = information.get("containerRuntimeVersion", "").partition("://")
    if has_version and runtime != "containerd":
        return f"runs its pods by {_OTHER_RUNTIMES.get(runtime, _word(runtime))}: nodeprov provisions containerd"
    return ""


def _is_virtual(item: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    taints = (item.get("spec") or {}).get("taints") or []
    marks = [*labels, *_texts(item["metadata"].get("annotations")), *(str(each.get("key")) for each in taints)]
    return (
        labels.get("type") in _VIRTUAL_TYPES
        or labels.get("liqo.io/type") in _VIRTUAL_TYPES
        or any(mark.startswith(("virtual-kubelet.io/", "kwok.x-k8s.io/")) for mark in marks)
    )


def _texts(values: Any) -> dict[str, str]:
    """Pick the texts of an object; nothing of what is none."""
    found = values if isinstance(values, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


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
    left_out = tuple(each.why_not for each in found if not each.can_run)
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
