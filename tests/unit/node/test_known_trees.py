"""A release is hashed once, and then only when it looks otherwise, or when somebody wants it."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nodeprov.hosts.base import Query
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import parse
from nodeprov.node import known_trees
from nodeprov.node.known_trees import KnownTrees
from nodeprov.plan.files import FileAt, TreeAt
from nodeprov.states import FileState, TreeState

(NODE,) = parse('[release]\nversion = "20260905.0"\n[nodes.worker1]\n', "i.toml").nodes


class Site:
    """A release in a folder of this machine, and a count of how often it is hashed."""

    name = "worker1"

    def __init__(self, folder: Path) -> None:
        self.folder, self.release = folder / "cache", folder / "node" / "release"
        self.hashed = self.asked = 0
        self.folder.mkdir()
        (self.release / "gvisor-bin" / "empty").mkdir(parents=True)
        (self.release / "runsc").write_bytes(b"runsc")
        (self.release / "gvisor-bin" / "gofer").write_bytes(b"gofer")

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        self.asked += 1
        self.hashed += sum(isinstance(each, TreeAt) for each in queries)
        return LocalHost().ask(queries)

    def tree(self, *, deep: bool = False) -> TreeState | None:
        file = FileAt(str(self.release / "runsc"))
        reader = KnownTrees(self, NODE, self.folder, deep=deep)
        first, found, last = reader.ask([file, TreeAt(str(self.release)), file])
        assert first == last
        assert isinstance(first, FileState | None)
        assert isinstance(found, TreeState | None)
        return found

    def counted(self, *, deep: bool = False) -> tuple[int, int]:
        """Look; return how often it was hashed, and in how many round trips. What is found must be so."""
        before = self.hashed, self.asked
        found = self.tree(deep=deep)
        counts = self.hashed - before[0], self.asked - before[1]
        assert found == LocalHost().ask([TreeAt(str(self.release))])[0]
        return counts


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(known_trees, "SETTLED_SECONDS", -math.inf)  # /tmp is on the way, which others change
    it = Site(tmp_path)
    settle()
    return it


def settle() -> None:
    """Let so much time pass that what is changed now would show by its time."""
    time.sleep(0.1)


def test_a_release_is_hashed_once_and_then_looked_at_in_one_round_trip(site: Site) -> None:
    assert site.counted() == (1, 2)
    assert site.counted() == (0, 1)
    assert site.counted() == (0, 1)


def test_to_look_deep_hashes_and_what_it_finds_is_known_from_then_on(site: Site) -> None:
    site.counted()
    assert site.counted(deep=True)[0] == 1
    assert site.counted()[0] == 0


def test_what_only_a_deep_look_finds_is_told_by_each_later_one(site: Site) -> None:
    good = site.tree()
    file = next(site.folder.iterdir())
    value = json.loads(file.read_text())
    value["trees"][0][1]["entries"][0][2] = "0" * 64  # as if the file had had other bytes when it was hashed
    file.write_text(json.dumps(value))
    assert site.tree() != good, "nothing looks otherwise"
    assert site.tree(deep=True) == good
    assert site.tree() == good


def same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"cnsur")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def link(at: Path) -> None:
    (at / "runsc").unlink()
    (at / "runsc").symlink_to("/bin/true")


def replaced(at: Path) -> None:
    at.rename(at.parent / "old")
    at.mkdir()


BREAKS: dict[str, Callable[[Path], object]] = {
    "a byte more": lambda at: (at / "runsc").write_bytes(b"runsc2"),
    "other bytes, as many and as old": lambda at: same_size_and_time(at / "runsc"),
    "another mode": lambda at: (at / "gvisor-bin" / "gofer").chmod(0o600),
    "a file is gone": lambda at: (at / "gvisor-bin" / "gofer").unlink(),
    "a file more": lambda at: (at / "gvisor-bin" / "more").write_bytes(b""),
    "a hidden file": lambda at: (at / ".more").write_bytes(b""),
    "a file in an empty folder": lambda at: (at / "gvisor-bin" / "empty" / "more").write_bytes(b""),
    "a link in place of a file": link,
    "another folder in its place": replaced,
    "nothing there": lambda at: at.rename(at.parent / "old"),
}


@pytest.mark.parametrize("breaking", BREAKS.values(), ids=BREAKS.keys())
def test_what_looks_otherwise_is_hashed_again(site: Site, breaking: Callable[[Path], object]) -> None:
    site.counted()
    assert site.counted()[0] == 0
    breaking(site.release)
    assert site.counted()[0] == 1
    assert site.counted()[0] == (1 if site.tree() is None else 0)


def test_what_has_just_changed_is_not_known(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_trees, "SETTLED_SECONDS", 60.0)
    assert site.counted() == (1, 2)
    assert site.counted() == (1, 2)


def test_after_a_boot_it_is_hashed_again(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("one\n")
    monkeypatch.setattr(known_trees, "BOOT_ID", str(boot_id))
    site.counted()
    assert site.counted()[0] == 0
    boot_id.write_text("two\n")
    assert site.counted()[0] == 1


def test_two_releases_are_known_each_on_its_own(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "node" / "other"
    other.mkdir()
    (other / "runsc").write_bytes(b"other")
    settle()
    both = [TreeAt(str(site.release)), TreeAt(str(other))]
    wanted = LocalHost().ask(both)

    def hashed() -> int:
        before = site.hashed
        assert KnownTrees(site, NODE, site.folder).ask(both) == wanted
        return site.hashed - before

    assert [hashed(), hashed()] == [2, 0]
    (other / "runsc").touch()
    assert [hashed(), hashed()] == [1, 0]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 2, "trees": []}', '{"schema": 1, "trees": [1]}']
)
def test_what_is_damaged_is_not_believed(site: Site, text: str) -> None:
    site.counted()
    next(site.folder.iterdir()).write_text(text)
    assert site.counted()[0] == 1
    assert site.counted()[0] == 0


def test_what_asks_for_no_tree_is_passed_on(site: Site) -> None:
    query = FileAt(str(site.release / "runsc"))
    (found,) = KnownTrees(site, NODE, site.folder).ask([query])
    assert found.content == b"runsc"
    assert [*site.folder.iterdir()] == []
