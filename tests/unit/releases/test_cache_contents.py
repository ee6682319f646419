"""What the cache holds is listed, and what is not needed any more goes; what is being made stays."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.cache_contents import contents, prune, superfluous
from tests.support.command_line import nodeprov
from tests.support.obtaining import get
from tests.support.release_server import ReleaseServer, archived, tree

VERSIONS = ("20260518.0", "20260905.0", "20260905.10")


@pytest.fixture
def kept(server: ReleaseServer, cache: Path) -> Path:
    """A cache with three versions of one origin."""
    for version in VERSIONS:
        server.publish(version, archived(version, files=tree(version)))
        get(server, cache, version=version)
    return cache


def versions(cache: Path) -> list[str]:
    return [each.version for each in contents(cache)]


def test_releases_are_listed_from_the_oldest_to_the_newest_with_their_sizes(kept: Path) -> None:
    found = contents(kept)
    assert [(each.version, each.architecture, each.state) for each in found] == [
        (version, "x86_64", "whole") for version in VERSIONS
    ]
    assert all(each.size_bytes > 1000 for each in found)
    assert contents(kept / "nowhere") == ()


def test_the_newest_versions_stay(kept: Path) -> None:
    assert [each.version for each in superfluous(contents(kept), 2)] == ["20260518.0"]
    removed = prune(superfluous(contents(kept), 1))
    assert [each.version for each in removed] == ["20260518.0", "20260905.0"]
    assert versions(kept) == ["20260905.10"]
    assert superfluous(contents(kept), 1) == ()


def test_nothing_is_left_of_what_is_removed(kept: Path) -> None:
    prune(superfluous(contents(kept), 0))
    assert list((kept / "releases").rglob("*")) == []


def test_what_is_damaged_or_was_never_whole_goes_and_counts_as_no_version(kept: Path) -> None:
    newest = contents(kept)[-1]
    os.truncate(newest.path / "tree" / "runsc", 10)
    (newest.path.with_name("aarch64.partial") / "downloads").mkdir(parents=True)
    states = {(each.architecture, each.state) for each in contents(kept) if each.version == newest.version}
    assert states == {("x86_64", "damaged"), ("aarch64", "partial")}
    prune(superfluous(contents(kept), 1))
    assert versions(kept) == ["20260905.0"]


def hold(path: str, ready: object, done: object) -> None:
    from filelock import FileLock

    with FileLock(path):
        ready.set()  # type: ignore[attr-defined]
        done.wait(30)  # type: ignore[attr-defined]


def test_what_another_run_is_making_stays(kept: Path) -> None:
    oldest = contents(kept)[0]
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=hold, args=(str(oldest.path.with_name("x86_64.lock")), ready, done))
    holder.start()
    try:
        assert ready.wait(30)
        assert [each.version for each in prune(superfluous(contents(kept), 0))] == list(VERSIONS[1:])
    finally:
        done.set()
        holder.join()
    assert versions(kept) == [VERSIONS[0]]


def test_a_cache_in_which_everybody_may_write_is_not_believed(kept: Path) -> None:
    (kept / "releases").chmod(0o777)
    with pytest.raises(NodeprovError, match="everybody may write there"):
        contents(kept)


def test_the_commands_show_ask_and_remove(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEPROV_CACHE", str(kept))
    listed = nodeprov("cache", "list", "--json")
    assert [each["version"] for each in json.loads(listed.text)["releases"]] == list(VERSIONS)
    asked = nodeprov("cache", "prune")
    assert (asked.returncode, versions(kept)) == (2, list(VERSIONS))
    assert "--yes" in asked.said
    assert nodeprov("cache", "prune", "--keep", "-1", "--yes").returncode == 2
    done = nodeprov("cache", "prune", "--yes")
    assert (done.returncode, versions(kept)) == (0, list(VERSIONS[1:]))
    assert "nothing to remove" in nodeprov("cache", "prune", "--yes").stderr.decode()
    assert "20260905.10" in nodeprov("cache", "list").text
