"""What the scripts that read or write a tree of files print of it."""

import posixpath

from nodeprov.hosts.base import Output
from nodeprov.states import TreeEntry, TreeState


def parse_tree(output: Output) -> TreeState | None:
    """Parse a tree: a line for each member with mode, kind and path, a blank line, and digests; None if absent."""
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


def tree_text(state: TreeState) -> bytes:
    """Print a tree as those scripts do."""
    listing = "".join(f"{entry.mode:o}|regular file|./{entry.path}\n" for entry in state.entries)
    sums = "".join(f"{entry.sha256}  {entry.path}\n" for entry in state.entries)
    return f"{listing}\n{sums}".encode()
