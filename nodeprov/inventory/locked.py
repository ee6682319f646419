"""A lock laid over an inventory: all nodes get what is locked, whatever was pinned before."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nodeprov.inventory.nodes import Inventory, Node
from nodeprov.inventory.settings import ReleaseSettings, Settings

LATEST = "latest"
Digests = Mapping[str, Mapping[str, str]]
"""SHA-512 digests in hex, by architecture and artifact."""


def locked(whole: Inventory, release: str, sha512: Digests) -> Inventory:
    """Set the release of each node that may mean it, and the digests of its artifacts, to those of a lock.

    Nodes that want another one are left as they are: it is refused when it is to be obtained.
    """

    def held(settings: Settings) -> Settings:
        return _locked(settings, release, sha512) if is_meant(settings.release.version, release) else settings

    return replace(whole, nodes=tuple(_each(node, held) for node in whole.nodes))


def is_meant(wanted: str, release: str) -> bool:
    """Tell whether what an inventory wants may be this point release: the newest, the newest of a day, or it."""
    return wanted in (LATEST, release) or release.startswith(f"{wanted}.")


def contradictions(whole: Inventory, sha512: Digests) -> Iterator[str]:
    """Say which digests that the inventory pins are others than those of a lock, each once."""
    said: set[str] = set()
    for view in (view for node in whole.nodes for view in node.views):
        for architecture, pins in view.settings.release.sha512.items():
            for artifact, digest in pins.items():
                there = sha512.get(architecture, {}).get(artifact, digest)
                text = (
                    f"[release.sha512] pins {artifact} for {architecture} to {digest[:16]}…, it to {there[:16]}…"
                )
                if there != digest and text not in said:
                    said.add(text)
                    yield text


def with_trust_below(whole: Inventory, folder: Path) -> Inventory:
    """Make the paths of [trust] absolute, so that they mean the same in a plan that is saved elsewhere."""
    trust = whole.nodes[0].settings.trust
    names = ("lock", "allowed_signers", "apt_keyring")
    said: dict[str, Any] = {name: value for name in names if (value := getattr(trust, name)) is not None}
    if not said:
        return whole
    for name, value in said.items():
        said[name] = str(folder.absolute() / os.path.expanduser(value))  # noqa: PTH111  as local_files does
    found = replace(trust, **said)
    nodes = (_each(node, lambda settings: replace(settings, trust=found)) for node in whole.nodes)
    return replace(whole, nodes=tuple(nodes))


def _each(node: Node, change: Callable[[Settings], Settings]) -> Node:
    """Change the settings of a node for each of its handlers."""
    handlers = {name: change(settings) for name, settings in node.handlers.items()}
    return replace(node, settings=change(node.settings), handlers=handlers)


def _locked(settings: Settings, release: str, sha512: Digests) -> Settings:
    wanted: ReleaseSettings = replace(settings.release, version=release, sha512=sha512)
    return replace(settings, release=wanted)
