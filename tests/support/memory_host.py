"""A host in memory, for speed: the laws that it is used for hold for LocalHost and the lab's nodes too."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import A, Guard, Hosts, NothingHeld, Progress, Query, Script
from nodeprov.inventory import Node
from nodeprov.plan.files import FileAt, LinkAt, PresentAt, TreeAt
from nodeprov.states import FileState, LinkState, PresentState, TreeEntry, TreeState

Member = FileState | LinkState | TreeState


class MemoryHost:
    """Files, links and trees in a dict."""

    name = "memory"

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.runs: list[str] = []

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query[Any]) -> Any:
        match query:
            case FileAt(path):
                return self._of_kind(path, FileState, f"cannot read {path}: not a regular file")
            case LinkAt(path):
                return self._of_kind(path, LinkState, f"{path} exists and is not a symbolic link")
            case TreeAt(path):
                return self._of_kind(path, TreeState, f"cannot read {path}")
            case PresentAt(path):
                return PresentState() if path in self.members else None
        raise AssertionError(f"a host in memory has no shell for {query}")

    def _of_kind(self, path: str, kind: type[Member], message: str) -> Member | None:
        found = self.members.get(path)
        if found is not None and not isinstance(found, kind):
            raise NodeprovError(message)
        return found

    def write_file(self, path: str, state: FileState) -> None:
        self.members[path] = state

    def write_link(self, path: str, target: str) -> None:
        self.members[path] = LinkState(target)

    def write_tree(self, path: str, state: TreeState, source: Path) -> TreeState:
        for entry in state.entries:
            assert (source / entry.path).is_file()
        self.members[path] = state
        return state

    def remove(self, path: str, *, below: str = "") -> None:
        self.members.pop(path, None)

    def run(self, script: Script[A], *, stdin: bytes = b"", timeout_seconds: float | None = None) -> A:
        raise AssertionError("a host in memory has no shell")

    def hold(self, script: Script[Any], *, heartbeat_seconds: float = 0) -> NothingHeld:
        return NothingHeld()

    def guard(self, guard: Guard | None) -> None:
        """Nobody else is here."""

    def watch_uploads(self, progress: Progress | None) -> None:
        """Nothing is uploaded."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class MemoryHosts:
    """The hosts of some nodes, by the nodes' names; another node cannot be reached."""

    hosts: Mapping[str, Hosts]

    def of(self, node: Node) -> Hosts:
        if node.name not in self.hosts:
            raise NodeprovError("no answer")
        return self.hosts[node.name]


def snapshot(folder: str, host: Any) -> dict[str, Any]:
    """Everything below a folder, for comparing a host before and after."""
    if isinstance(host, MemoryHost):
        return {path: member for path, member in host.members.items() if path.startswith(folder + "/")}
    output = host.sh(
        f"cd {folder} && find . -mindepth 1 -exec stat -c '%n|%F|%a|%u|%g|%N' {{}} + | sort && "
        "find . -type f -exec sha256sum {} + | sort"
    )
    return {"listing": output.text}


def tree_of(folder: Path, mode: int = 0o755) -> TreeState:
    """The state that a folder of this machine wants to be on a node."""
    import hashlib

    return TreeState(
        tuple(
            sorted(
                TreeEntry(posixpath.relpath(path, folder), mode, hashlib.sha256(path.read_bytes()).hexdigest())
                for path in folder.rglob("*")
                if stat.S_ISREG(path.stat().st_mode)
            )
        )
    )
