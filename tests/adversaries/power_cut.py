"""A disk that forgets what was not synced: tools of a script's PATH that write down what a power cut would leave.

A kernel may choose what it brings to the disk before it is told to. So several disks are kept: one on which
nothing is but what was synced; one on which every name is at once, and bytes only when they were synced; and for
each folder one on which all names are at once but those of this folder.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOOLS = ("sync", "mv", "ln", "mkdir", "rm", "rmdir", "cp")
WITNESS = """#!/bin/sh
{real} "$@"
status=$?
{python} -S -m tests.adversaries.power_cut {journal} {tool} "$@" 1>&2 || exit
exit $status
"""
NOT_SYNCED = "bytes that were never synced"

Disk = dict[str, str]
"""What is at each path: bytes as text, `-> target` of a link, or `/` of a folder."""


@dataclass
class Journal:
    """What each disk held after each tool's end."""

    lazy: list[Disk] = field(default_factory=list)
    hasty: list[Disk] = field(default_factory=list)
    mixed: list[Disk] = field(default_factory=list)

    @property
    def disks(self) -> list[Disk]:
        return [*self.lazy, *self.hasty, *self.mixed]


@contextmanager
def witnessed(ground: Path, tools: Path) -> Iterator[Journal]:
    """Have every change below a folder witnessed; what is there now is on disk."""
    tools.mkdir()
    path = tools / "journal.json"
    found = {"ground": str(ground), "synced": _everything(ground), "lazy": [], "hasty": [], "mixed": []}
    path.write_text(json.dumps(found))
    root = Path(__file__).parents[2]
    for tool in TOOLS:
        real = shutil.which(tool)
        script = WITNESS.format(real=real, python=f"PYTHONPATH={root} {sys.executable}", journal=path, tool=tool)
        (tools / tool).write_text(script)
        (tools / tool).chmod(0o755)
    journal, before = Journal(), os.environ["PATH"]
    os.environ["PATH"] = f"{tools}:{before}"
    try:
        yield journal
    finally:
        os.environ["PATH"] = before
        found = json.loads(path.read_text())
        journal.lazy, journal.hasty, journal.mixed = found["lazy"], found["hasty"], found["mixed"]


def _everything(ground: Path) -> dict[str, Any]:
    return {str(path.lstat().st_ino): _content(path) for path in (ground, *ground.rglob("*"))}


def _content(path: Path) -> Any:
    """Say what a sync of a path brings to the disk: a file's bytes, or a folder's names."""
    if path.is_dir() and not path.is_symlink():
        return {each.name: _entry(each) for each in path.iterdir()}
    return "" if path.is_symlink() else path.read_text()


def _entry(path: Path) -> str:
    """Name what a name leads to: a file's inode, a folder's with a slash, or a link's text."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return f"{path.lstat().st_ino}{'/' * path.is_dir()}"


def _witness(journal: Path, tool: str, arguments: list[str]) -> None:
    found = json.loads(journal.read_text())
    ground, synced = Path(found["ground"]), found["synced"]
    if tool == "sync":
        for argument in arguments:
            path = Path(argument)
            if path.exists():
                synced[str(path.lstat().st_ino)] = _content(path)
    root, live = f"{ground.lstat().st_ino}/", _everything(ground)
    folders = {inode: names for inode, names in live.items() if isinstance(names, dict)}
    hasty = {inode: held for inode, held in synced.items() if isinstance(held, str)} | folders
    found["lazy"].append(_disk(root, synced))
    found["hasty"].append(_disk(root, hasty))
    found["mixed"] += [_disk(root, hasty | {folder: synced.get(folder, {})}) for folder in folders]
    journal.write_text(json.dumps(found))


def _disk(entry: str, held: dict[str, Any], path: str = "") -> Disk:
    """Follow the names of a disk, from a folder down to bytes."""
    if not entry.endswith("/"):
        return {path: held.get(entry, NOT_SYNCED)}
    disk = {path: "/"} if path else {}
    for name, each in held.get(entry[:-1], {}).items():
        below = f"{path}/{name}".lstrip("/")
        disk |= {below: each} if each.startswith("-> ") else _disk(each, held, below)
    return disk


if __name__ == "__main__":
    _witness(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
