"""What the cache holds is listed, and what is not needed any more goes; what is being made stays."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.cache_contents import contents, packages, prune, prune_packages, superfluous
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


@pytest.fixture
def evidence(cache: Path) -> Path:
    """A cache with what was measured of a package, and the part of another one that has arrived."""
    folder = cache / "packages"
    folder.mkdir(parents=True)
    (folder / f"{'a' * 128}.json").write_text("{}")
    (folder / f"{'b' * 128}.deb.part").write_bytes(bytes(3 << 20))
    return cache


def test_of_packages_only_what_a_download_has_left_goes(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEPROV_CACHE", str(evidence))
    listed = nodeprov("cache", "list", "--json")
    found = {each["sha512"][0]: (each["state"], each["bytes"]) for each in json.loads(listed.text)["packages"]}
    assert found == {"a": ("measured", 2), "b": ("partial", 3 << 20)}
    shown = nodeprov("cache", "list").stderr.decode()
    assert "packages of apt suites of measured files: 1, 2 bytes" in shown
    assert "packages of apt suites of interrupted downloads: 1, 3 MiB" in shown
    done = json.loads(nodeprov("cache", "prune", "--json").text)
    assert [each["state"] for each in done["packages"]] == ["partial"]
    assert [(each.path.suffix, each.is_partial) for each in packages(evidence)] == [(".json", False)]
    assert nodeprov("cache", "prune").stderr.decode() == "nothing to remove\n"


def test_a_package_that_another_run_downloads_stays(evidence: Path) -> None:
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=hold, args=(str(evidence / "packages.lock"), ready, done))
    holder.start()
    try:
        assert ready.wait(30)
        assert prune_packages(evidence) is None
    finally:
        done.set()
        holder.join()
    assert len(packages(evidence)) == 2
    assert [each.size_bytes for each in prune_packages(evidence) or ()] == [3 << 20]


def test_packages_that_everybody_may_write_are_not_believed(evidence: Path) -> None:
    (evidence / "packages").chmod(0o777)
    with pytest.raises(NodeprovError, match="everybody may write there"):
        packages(evidence)
