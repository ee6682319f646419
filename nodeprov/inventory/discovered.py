"""What is known of machines already: the cluster's nodes as kubectl prints them, and names in ~/.ssh/config."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import MALFORMED_JSON, NodeprovError
from nodeprov.inventory import syntax

ARCHITECTURES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
"""What runtimes are published for, as Kubernetes says it and as `uname -m` does."""

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_ADDRESSES = ("InternalIP", "ExternalIP")


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
        """Tell whether runtimes are published for it."""
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
