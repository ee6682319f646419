"""Digests of releases that need not be computed again: the files look as they did when they were hashed."""

import contextlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nodeprov.errors import MALFORMED_JSON, of_type
from nodeprov.hosts.base import Output, Query, Reader
from nodeprov.inventory import Node
from nodeprov.node.memory import Notes
from nodeprov.node.watched import Seen, Watched, WatchedQuery
from nodeprov.plan.files import TreeAt
from nodeprov.plan.state_text import state_from_json, state_to_json
from nodeprov.states import TreeState

SCHEMA = 1
SETTLED_SECONDS = 1.0
"""How old the latest change must be: a file system's times go by ticks of up to 10 ms, and `date` does not."""
MOST_TREES = 4
"""How many releases are known of a node, those that were hashed last."""
BOOT_ID, MACHINE_ID = "/proc/sys/kernel/random/boot_id", "/etc/machine-id"


@dataclass(frozen=True, slots=True)
class NodeClock:
    """What does the node's clock say, in seconds since the epoch?"""

    script: str = "date +%s.%N"

    def parse(self, output: Output) -> float:
        """Read it; what is no number is before all that has a time."""
        with contextlib.suppress(ValueError):
            return float(output.text)
        return 0.0


@dataclass(frozen=True, slots=True)
class KnownTree:
    """A tree that was hashed, what of it is watched, and a digest of how that looked then."""

    tree: TreeState
    watched: Watched
    seen: str


class KnownTrees:
    """Reads a node, but hashes no tree that looks as it did when it was hashed: since then, and since the boot.

    A file is another one if its kind, mode, owner, inode, device, size, mtime or ctime differs; in a folder that
    is as it was nothing is new. What root does to keep all of that is not seen: by the clock, or past the file
    system. To look `deep` is to hash all, and to know what was found from then on.
    """

    def __init__(self, reader: Reader, node: Node, folder: Path, *, deep: bool = False) -> None:
        self.name = reader.name
        self._reader, self._node, self._notes, self._is_deep = reader, node, Notes(folder), deep

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """Answer all the queries, in their order; in one round trip where all trees are known."""
        trees = [each for each in queries if isinstance(each, TreeAt)]
        if not trees:
            return self._reader.ask(queries)
        noted = self._known()
        known = {} if self._is_deep else {at: it for at, it in noted.items() if at in trees}
        answers: dict[Query[Any], Any] = self._asked([each for each in queries if each not in known], known)
        unlike = [each for each, it in known.items() if answers[WatchedQuery(it.watched)].digest != it.seen]
        answers |= {each: it.tree for each, it in known.items() if each not in unlike}
        if unlike:
            answers = self._asked(unlike, {}) | answers  # the earlier time of the two counts
        hashed = {each: answers[each] for each in trees if each in unlike or each not in known}
        if hashed:
            self._keep(noted, hashed, answers[NodeClock()])
        return [answers[each] for each in queries]

    def _asked(self, queries: Sequence[Query[Any]], known: Mapping[TreeAt, KnownTree]) -> dict[Query[Any], Any]:
        """Ask for the time, then for what is wanted, and whether known trees look as they did."""
        asked = [NodeClock(), *queries, *(WatchedQuery(each.watched) for each in known.values())]
        return dict(zip(asked, self._reader.ask(asked), strict=True))

    def _keep(
        self, noted: Mapping[TreeAt, KnownTree], hashed: Mapping[TreeAt, TreeState | None], began: float
    ) -> None:
        """Keep the digests of trees that have not changed since before they were hashed."""
        watched = {each: _watched(each.path, tree) for each, tree in hashed.items() if tree is not None}
        small = {each: of_tree for each, of_tree in watched.items() if of_tree.is_small}
        found: list[Seen] = self._reader.ask([WatchedQuery(each) for each in small.values()]) if small else []
        kept = {each: it for each, it in noted.items() if each not in hashed}
        for (each, of_tree), seen in zip(small.items(), found, strict=True):
            tree = hashed[each]
            if tree is not None and seen.latest < began - SETTLED_SECONDS:
                kept[each] = KnownTree(tree, of_tree, seen.digest)
        value = [
            [at.path, state_to_json(it.tree), it.watched.to_json(), it.seen]
            for at, it in [*kept.items()][-MOST_TREES:]
        ]
        self._notes.keep(self._node, {"schema": SCHEMA, "trees": value})

    def _known(self) -> dict[TreeAt, KnownTree]:
        """Read what was kept; nothing where that is damaged."""
        found: dict[TreeAt, KnownTree] = {}
        with contextlib.suppress(*MALFORMED_JSON):
            value = self._notes.of(self._node)
            for path, state, watched, seen in value["trees"] if value["schema"] == SCHEMA else ():
                tree = state_from_json(state)
                if isinstance(tree, TreeState):
                    at = TreeAt(of_type(str, path))
                    found[at] = KnownTree(tree, Watched.from_json(watched), of_type(str, seen))
            return found
        return {}


def _watched(path: str, tree: TreeState) -> Watched:
    """Watch all of a tree's files and folders, and that it is the same machine since the same boot."""
    inside = [posixpath.normpath(each) for each in (*(entry.path for entry in tree.entries), *tree.foreign)]
    folders = {folder for each in inside for folder in map(str, PurePosixPath(each).parents)}
    below = [posixpath.join(path, each) for each in sorted({*inside, *folders, "*", "*/*"})]  # empty folders too
    return Watched.of([path, *below, MACHINE_ID], values=[BOOT_ID], processes=[], written=[], started=[])
