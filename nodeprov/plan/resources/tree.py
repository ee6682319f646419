"""A directory of files, such as a release."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nodeprov.errors import NodeprovError, of_type
from nodeprov.hosts.base import Host, Output
from nodeprov.plan.resources.base import AtPath, StateKind
from nodeprov.states import State, TreeEntry, TreeState
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class TreeAt:
    """What files, with which digests, lie below a path?"""

    path: str

    @property
    def script(self) -> str:
        """Print nothing when absent; else kinds and modes, a blank line, and digests."""
        return render("hosts/query-tree.sh.j2", path=self.path)

    def parse(self, output: Output) -> TreeState | None:
        if output.returncode != 0:
            raise NodeprovError(f"cannot read {self.path}: {output.said}", f"look at it: ls -la {self.path}")
        if not output.stdout:
            return None
        listing, _, sums = output.text.partition("\n\n")
        modes: dict[str, int] = {}
        foreign: list[str] = []
        for line in listing.splitlines():
            mode, kind, path = line.split("|", 2)
            path = posixpath.normpath(path)
            if kind.startswith("regular"):
                modes[path] = int(mode, 8)
            elif kind != "directory":
                foreign.append(path)
        digests = {
            posixpath.normpath(path): digest
            for digest, _, path in (line.partition("  ") for line in sums.splitlines() if line)
        }
        entries = tuple(sorted(TreeEntry(path, mode, digests.get(path, "")) for path, mode in modes.items()))
        return TreeState(entries, tuple(sorted(foreign)))


@dataclass(frozen=True, slots=True)
class Tree(AtPath):
    """A directory of files whose content lies in a folder of the controller; immutable once it is there."""

    source: Path | None = None
    kind: ClassVar[str] = "tree"
    collected: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"release {self.path}"

    @property
    def query(self) -> TreeAt:
        return TreeAt(self.path)

    def write(self, host: Host, state: TreeState | None) -> None:
        if state is None:
            self.remove(host)
        elif self.source is None:
            raise NodeprovError(f"{self.path} cannot be made: this run has not downloaded its files")
        else:
            host.write_tree(self.path, state, self.source)

    def restore(self, host: Host, state: TreeState | None) -> None:
        """Take it away again; a damaged tree that was mended stays mended, for nothing else is of use."""
        if state is None:
            self.remove(host)


class TreeKind(StateKind[TreeState]):
    """The state of a tree."""

    name = "tree"
    type = TreeState

    def to_json(self, state: TreeState) -> dict[str, Any]:
        rows = [[entry.path, entry.mode, entry.sha256] for entry in state.entries]
        return {"entries": rows, "foreign": list(state.foreign)}

    def from_json(self, value: Mapping[str, Any]) -> TreeState:
        return TreeState(tuple(_entry(*row) for row in value["entries"]), tuple(map(str, value["foreign"])))

    def summary(self, state: TreeState) -> dict[str, Any]:
        return {"files": len(state.entries), "digest": state.digest}

    def change_text(self, before: State | None, after: TreeState) -> str:
        return f": {len(after.entries)} files" + (", replacing a damaged one" if before else "")


def _entry(path: Any, mode: Any, sha256: Any) -> TreeEntry:
    return TreeEntry(of_type(str, path), of_type(int, mode), of_type(str, sha256))
