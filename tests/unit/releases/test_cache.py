"""The cache: whole, ours, or made anew."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import socket
from pathlib import Path

import pytest

from nodeprov.releases.obtain import obtain
from tests.support.obtaining import VERSION, contents, digest, get, refusal, source_at
from tests.support.release_server import ReleaseServer, archived, serving, tree


def test_a_second_time_needs_no_network(
    server: ReleaseServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = get(server, cache)

    def no_network(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    assert get(server, cache) == first
    assert get(server, cache, pins=first.sha512) == first


def test_nothing_but_the_release_is_left_in_the_cache(server: ReleaseServer, cache: Path) -> None:
    release = get(server, cache)
    beside = {path.name for path in release.folder.parent.parent.iterdir()} - {"x86_64.lock"}
    assert beside == {"x86_64"}
    assert {path.name for path in release.folder.parent.iterdir()} == {"record.json", "tree"}


def test_another_origin_has_another_entry(server: ReleaseServer, cache: Path) -> None:
    with serving() as other:
        other.publish(VERSION, archived(VERSION, files=tree(VERSION) | {"gvisor-bin/new": b"x"}))
        assert get(server, cache).name != get(other, cache).name


def damage_bytes(tree: Path) -> None:
    content = (tree / "runsc").read_bytes()
    (tree / "runsc").write_bytes(content[:-1] + b"!")


def damage_size(tree: Path) -> None:
    os.truncate(tree / "runsc", 10)


def damage_names(tree: Path) -> None:
    (tree / "gvisor-bin" / "gvisor_sentry").unlink()


def damage_with_more(tree: Path) -> None:
    (tree / "gvisor-bin" / "more").touch()


def damage_with_link(tree: Path) -> None:
    (tree / "runsc").rename(tree.parent / "elsewhere")
    (tree / "runsc").symlink_to("../elsewhere")


def nest_record(tree: Path) -> None:
    (tree.parent / "record.json").write_text("[" * 100_000)


def name_no_file(tree: Path) -> None:
    _write_field(tree, "path", ["runsc"])


def have_no_digest(tree: Path) -> None:
    _write_field(tree, "sha256", {"a": "b"})


def _write_field(tree: Path, name: str, value: object) -> None:
    record = json.loads((tree.parent / "record.json").read_text())
    record["files"][0][name] = value
    (tree.parent / "record.json").write_text(json.dumps(record))
    for path in tree.rglob("*"):
        os.utime(path, (1, 1))


def damage_record(tree: Path) -> None:
    (tree.parent / "record.json").write_text("{")


def damage_format(tree: Path) -> None:
    record = tree.parent / "record.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))


DAMAGES = [
    damage_bytes,
    damage_size,
    damage_names,
    damage_with_more,
    damage_with_link,
    damage_record,
    nest_record,
    name_no_file,
    have_no_digest,
    damage_format,
    lambda tree: shutil.rmtree(tree),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_fetched_anew(server: ReleaseServer, cache: Path, damage: object) -> None:
    assert callable(damage)
    first = get(server, cache)
    damage(first.folder)
    again = get(server, cache)
    assert contents(again) == tree(VERSION)
    assert again == first


def test_a_damaged_entry_without_a_network_is_an_error_that_says_so(server: ReleaseServer, cache: Path) -> None:
    release = get(server, cache)
    damage_size(release.folder)
    server.files.clear()
    assert str(release.folder.parent) in refusal(server, cache).hint


def test_a_copied_cache_is_good_though_its_times_are_others(server: ReleaseServer, cache: Path) -> None:
    release = get(server, cache)
    for path in release.folder.rglob("*"):
        os.utime(path, (0, 0))
    server.files.clear()
    assert get(server, cache) == release


def test_a_cached_release_that_is_not_the_pinned_one_is_refused(server: ReleaseServer, cache: Path) -> None:
    release = get(server, cache)
    error = refusal(server, cache, pins={"gvisor.tar.zstd": "0" * 128})
    assert "0" * 128 in error.message
    assert release.sha512["gvisor.tar.zstd"] in error.message
    assert f"rm -r {release.folder.parent}" in error.hint


@pytest.mark.parametrize("level", range(6))
def test_a_cached_release_that_anybody_may_have_written_is_refused(
    server: ReleaseServer, cache: Path, level: int
) -> None:
    """The digests that nodes compare with come from there: another program and its digest would pass."""
    entry = get(server, cache).folder.parent
    place = (entry / "record.json", entry, *entry.parents)[level]
    place.chmod(0o777)
    error = refusal(server, cache)
    place.chmod(0o755)
    if level == 5:
        assert place == cache
    assert f"{place} is somebody else's, or everybody may write there" in error.message
    assert "NODEPROV_CACHE" in error.hint
    assert get(server, cache).folder.parent == entry


def test_a_cached_release_made_of_what_is_not_pinned_is_made_anew(server: ReleaseServer, cache: Path) -> None:
    get(server, cache)
    pins = {"gvisor.tar.bz2": digest(server, "gvisor.tar.bz2")}
    assert get(server, cache, pins=pins).sha512 == pins


def _obtain_in_a_process(url: str, cache: Path) -> None:
    get(url, cache)


def test_two_runs_at_once_download_it_once(server: ReleaseServer, cache: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    runs = [spawn.Process(target=_obtain_in_a_process, args=(server.url, cache)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * 4
    assert server.count("gvisor.tar.zstd") == 1


def test_who_waits_for_another_run_is_told(server: ReleaseServer, cache: Path) -> None:
    from filelock import FileLock

    folder = get(server, cache).folder.parent
    shutil.rmtree(folder)
    lock = FileLock(folder.with_name("x86_64.lock"))
    lock.acquire()
    told: list[str] = []

    def progress(name: str, done: int, total: int | None) -> None:
        told.append(name)
        lock.release()

    obtain(source_at(server, cache, progress), VERSION, "x86_64")
    assert told[0] == "waiting for another run"


def _obtain_on_a_full_disk(url: str, cache: Path, answer: multiprocessing.SimpleQueue[str]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    answer.put(str(refusal(url, cache)))


def test_a_full_disk_is_named_and_what_arrived_is_kept(server: ReleaseServer, cache: Path) -> None:
    files = tree(VERSION) | {"gvisor-bin/large": os.urandom(500_000)}
    server.publish(VERSION, archived(VERSION, files=files))
    spawn = multiprocessing.get_context("spawn")
    answer: multiprocessing.SimpleQueue[str] = spawn.SimpleQueue()
    run = spawn.Process(target=_obtain_on_a_full_disk, args=(server.url, cache, answer))
    run.start()
    run.join()
    assert run.exitcode == 0
    said = answer.get()
    assert f"{cache}: the release cannot be kept: file too large" in said
    assert f"make room in {cache}" in said
    assert contents(get(server, cache)) == files
    assert server.requests[-1][1] is not None


def test_a_cache_that_cannot_be_written_is_named(server: ReleaseServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = refusal(server, tmp_path / "file" / "cache")
    assert "not a directory" in error.message
