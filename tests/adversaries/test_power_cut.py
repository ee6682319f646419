"""At whatever moment the power fails, a path holds what was there before or what was to be there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeprov import templates
from nodeprov.hosts import base
from nodeprov.hosts.local import LocalHost
from nodeprov.states import FileState
from tests.adversaries.power_cut import NOT_SYNCED, Disk, Journal, witnessed
from tests.support.memory_host import tree_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")
LEFTOVER = re.compile(r"\.nodeprov-[0-9a-f]{8}")
FOLDER = Path(__file__).parents[2] / "templates" / "hosts"
Write = Callable[[str, Path], None]


def state(text: str) -> FileState:
    return FileState(text.encode(), 0o600)


def a_file(folder: str, _source: Path) -> None:
    LocalHost().write_file(f"{folder}/etc/config.toml", state("after"))


def a_file_in_new_folders(folder: str, _source: Path) -> None:
    LocalHost().write_file(f"{folder}/var/lib/new/receipt", state("after"))


def a_link(folder: str, _source: Path) -> None:
    LocalHost().write_link(f"{folder}/opt/current", "after")


def a_link_in_new_folders(folder: str, _source: Path) -> None:
    LocalHost().write_link(f"{folder}/new/folder/current", "after")


def a_tree(folder: str, source: Path) -> None:
    LocalHost().write_tree(f"{folder}/opt/releases/r1", tree_of(source), source)


def a_removed_file(folder: str, _source: Path) -> None:
    LocalHost().remove(f"{folder}/etc/config.toml")


def a_removed_tree(folder: str, _source: Path) -> None:
    LocalHost().remove(f"{folder}/opt/old", below=folder)


WRITES = (a_file, a_file_in_new_folders, a_link, a_link_in_new_folders, a_tree, a_removed_file, a_removed_tree)


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    folder = tmp_path / "ground"
    for name, text in {"etc/config.toml": "before", "etc/theirs": "theirs", "opt/old/in/it": "before"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "opt/current").symlink_to("before")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "in").mkdir(parents=True)
    (folder / "runsc").write_text("a program")
    (folder / "in" / "gofer").write_text("another")
    return folder


def shown(disk: Disk) -> Disk:
    """Leave out what only the next run sees, and removes; and folders, which may be empty."""
    return {path: held for path, held in disk.items() if not LEFTOVER.search(path) and held != "/"}


def faults(write: Write, ground: Path, source: Path) -> list[str]:
    """Say what a power cut at any moment would break, and what is not on disk at the end."""
    before = _disk(ground)
    with witnessed(ground, ground.parent / "tools") as journal:
        write(str(ground), source)
    after = _disk(ground)
    found = [
        f"{path}: {disk.get(path)!r}"
        for disk in map(shown, journal.disks)
        for path in {*shown(before), *shown(after), *disk}
        if disk.get(path) not in (before.get(path), after.get(path))
    ]
    if _halves(before, after, journal):
        found.append("half a tree is seen")
    if journal.lazy[-1] != after:
        found.append("at its end it is not on disk")
    return found


TREES = ("opt/releases/r1", "opt/old")


def _halves(before: Disk, after: Disk, journal: Journal) -> bool:
    """A tree comes and goes whole, its folders too."""

    def below(tree: str, disk: Disk) -> Disk:
        return {path: held for path, held in disk.items() if path == tree or path.startswith(f"{tree}/")}

    return any(
        below(tree, disk) not in (below(tree, before), below(tree, after))
        for tree in TREES
        for disk in journal.disks
    )


def _disk(ground: Path) -> Disk:
    return {
        str(path.relative_to(ground)): f"-> {path.readlink()}"
        if path.is_symlink()
        else ("/" if path.is_dir() else path.read_text())
        for path in ground.rglob("*")
    }


@pytest.mark.parametrize("write", WRITES)
def test_a_power_cut_leaves_what_was_or_what_was_wanted(write: Write, ground: Path, source: Path) -> None:
    assert faults(write, ground, source) == []


def test_the_disk_loses_what_was_not_synced(ground: Path) -> None:
    """The rig itself: without it, nothing above would show anything."""
    with witnessed(ground, ground.parent / "tools") as journal:
        LocalHost().sh(f"cd {ground}/etc; echo after > new; mv new config.toml; ln -s x link; sync theirs")
    assert journal.lazy[-1] == journal.lazy[0]
    assert journal.lazy[0]["etc/config.toml"] == "before"
    assert journal.hasty[-1]["etc/config.toml"] == NOT_SYNCED
    assert journal.hasty[-1]["etc/link"] == "-> x"


SYNCS = {  # each sync of a template, and the write that shows that it is needed
    ("folders.sh.j2", 0): a_file_in_new_folders,
    ("write-file.sh.j2", 0): a_file,
    ("write-file.sh.j2", 1): a_file,
    ("write-link.sh.j2", 0): a_link,
    ("write-tree.sh.j2", 0): a_tree,
    ("write-tree.sh.j2", 1): a_tree,
    ("remove.sh.j2", 0): a_removed_tree,
    ("remove.sh.j2", 1): a_removed_file,
}


@pytest.mark.parametrize(("template", "number"), SYNCS, ids=str)
def test_each_sync_is_needed(
    template: str, number: int, ground: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = syncs(template)[number]
    less = re.sub(
        r"&& sync .*|find \. -exec sync .*|sync .*", lambda it: "" if it[0].startswith("&&") else ":", line
    )

    def without(name: str, **values: Any) -> str:
        return templates.render(name, **values).replace(f"\n{line}\n", f"\n{less}\n")

    monkeypatch.setattr(base, "render", without)
    assert faults(SYNCS[template, number], ground, source)


def syncs(template: str) -> list[str]:
    """Find the lines of a template that sync."""
    lines = (FOLDER / template).read_text().splitlines()
    return [line for line in lines if re.search(r"\bsync \S", line) and not line.lstrip().startswith("#")]


def test_every_sync_of_a_write_is_in_the_table() -> None:
    names = [
        f"{name}.sh.j2" for name in ("folders", "write-file", "write-link", "write-tree", "remove", "stage-tree")
    ]
    assert {(name, number) for name in names for number in range(len(syncs(name)))} == set(SYNCS)
