"""What this machine remembers of nodes: that there was nothing to do, and by what it would show if there were.

What is remembered leads to "nothing to do" and to nothing else: as soon as anything differs, a node is looked at
afresh. Neither facts nor contents are kept, only names of files, digests and the notes of the plan.
"""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nodeprov
from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type
from nodeprov.inventory import Node, RolloutSettings
from nodeprov.local_files import read_own, write_private
from nodeprov.node.watched import Watched

SCHEMA = 3
LARGEST_BYTES = 1 << 20
MOST_NODES = 20_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """That there was nothing to do on a node, what that rests on, and how it was.

    Args:
        notes: those of the plan.
        watched: what is looked at.
        seen: the digest of what was seen there.
        cluster: the digest of what its cluster knows of the node; "" where it has none.
        releases: those of the plan.
        handlers: of a node with several, their names and releases.
    """

    notes: tuple[str, ...]
    watched: Watched
    seen: str
    cluster: str
    releases: tuple[str, str] = ("", "")
    handlers: tuple[tuple[str, str], ...] = ()


class Notes:
    """A folder of this user with a file for each node; it may be lost, or damaged, at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, node: Node) -> Any:
        """Return what is noted of a node; None if nothing is, or others can have written it."""
        with contextlib.suppress(OSError, *MALFORMED_JSON):
            content = read_own(self._file(node), LARGEST_BYTES)
            return None if content is None else json.loads(content)
        return None

    def keep(self, node: Node, value: Any) -> None:
        """Note it; where that cannot be done, the next run is as slow as this one."""
        with contextlib.suppress(OSError, NodeprovError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room()
            write_private(self._file(node), json.dumps(value).encode())

    def forget(self, node: Node) -> None:
        """Know nothing of a node."""
        with contextlib.suppress(OSError):
            self._file(node).unlink(missing_ok=True)

    def _file(self, node: Node) -> Path:
        said = repr((node.name, node.ssh.address, node.settings.runtime.handler))
        return self._folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.json"

    def _make_room(self) -> None:
        """Forget all where there is too much: it costs a slower run."""
        files = [*self._folder.glob("*.json")]
        for each in files if len(files) >= MOST_NODES else ():
            each.unlink(missing_ok=True)


class Memory:
    """That there was nothing to do on nodes, as notes of this machine.

    Attributes:
        digests: the folder beside it for what is known of releases' files.
    """

    def __init__(self, folder: Path) -> None:
        self._notes = Notes(folder)
        self.digests = folder.with_name("digests")

    def of(self, node: Node) -> Remembered | None:
        """Return what is remembered of a node with these settings, by this very nodeprov."""
        with contextlib.suppress(*MALFORMED_JSON):
            value = self._notes.of(node)
            if value is None or value["key"] != _key(node):
                return None
            notes = tuple(of_type(str, each) for each in value["notes"])
            seen, cluster = (of_type(str, value[name]) for name in ("seen", "cluster"))
            watched, releases = Watched.from_json(value["watched"]), _two(value["releases"])
            handlers = tuple(_two(each) for each in value["handlers"])
            return Remembered(notes, watched, seen, cluster, releases, handlers)
        return None

    def keep(self, node: Node, found: Remembered) -> None:
        """Remember it; where that cannot be done, the next run is as slow as this one."""
        value = {
            "key": _key(node),
            "notes": found.notes,
            "watched": found.watched.to_json(),
            "seen": found.seen,
            "cluster": found.cluster,
            "releases": found.releases,
            "handlers": found.handlers,
        }
        self._notes.keep(node, value)

    def forget(self, node: Node) -> None:
        """Remember nothing of a node."""
        self._notes.forget(node)


def _two(value: Any) -> tuple[str, str]:
    first, second = (of_type(str, each) for each in value)
    return first, second


def _key(node: Node) -> str:
    """Tell apart what a conclusion depends on besides node and cluster: nodeprov itself, and the settings."""
    # How a change would be carried out is no part of whether there is one: `plan` and `install --canary` share it.
    plain = replace(node, settings=replace(node.settings, rollout=RolloutSettings()))
    return hashlib.sha256(repr((SCHEMA, nodeprov.__version__, _code(), plain)).encode()).hexdigest()


def _code() -> str:
    """Tell apart what somebody who works on nodeprov has changed, by the times of its files."""
    if not _stamps:
        root = Path(nodeprov.__file__).parent
        folders = [str(each) for each in (root, root.parent / "templates") if each.is_dir()]
        while folders:
            for each in os.scandir(folders.pop()):
                if each.is_dir():
                    folders.append(each.path)
                elif each.name.endswith((".py", ".j2")):
                    found = each.stat()
                    _stamps.append((each.path, found.st_size, found.st_mtime_ns))
        _stamps.sort()
    return hashlib.sha256(repr(_stamps).encode()).hexdigest()


_stamps: list[tuple[str, int, int]] = []
