"""Releases from a real server on loopback: found, verified, or refused."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases.obtain import obtain, resolve
from tests.support.obtaining import FOLDER, OLD, SHIM, VERSION, contents, digest, get, refusal, source_at
from tests.support.release_server import (
    NOT_FOUND,
    ReleaseServer,
    archived,
    cut,
    loose,
    program,
    runsc,
    sha512,
    status,
    tar_of,
    tree,
    with_sum,
    zstd,
)


def newest(server: ReleaseServer, cache: Path, version: str = "latest") -> str:
    return resolve(source_at(server, cache), version, "x86_64")


def test_an_archive_becomes_a_tree(server: ReleaseServer, cache: Path) -> None:
    release = get(server, cache)
    assert contents(release) == tree(VERSION)
    assert (release.version, release.architecture, release.layout) == (VERSION, "x86_64", "archive")
    assert release.sha512 == {"gvisor.tar.zstd": digest(server, "gvisor.tar.zstd")}
    assert {entry.path: entry.sha256 for entry in release.tree.entries} == {
        name: hashlib.sha256(content).hexdigest() for name, content in tree(VERSION).items()
    }
    assert release.tree.foreign == ()
    assert release.name == f"{VERSION}-{release.tree.digest[:12]}"


def test_every_file_is_a_program_for_everybody(server: ReleaseServer, cache: Path) -> None:
    old_mask = os.umask(0o077)
    try:
        release = get(server, cache)
    finally:
        os.umask(old_mask)
    assert {entry.mode for entry in release.tree.entries} == {0o755}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in release.folder.rglob("*") if path.is_file()}
    assert modes == {0o755}


def test_loose_files_become_a_tree(server: ReleaseServer, cache: Path) -> None:
    release = get(server, cache, OLD)
    files = tree(OLD)
    assert contents(release) == {"runsc": files["runsc"], SHIM: files[SHIM]}
    assert release.layout == "loose"
    assert release.sha512 == {"runsc": sha512(files["runsc"]), SHIM: sha512(files[SHIM])}


@pytest.mark.parametrize("write", ["{}", "file://{}", "{}/"])
def test_a_folder_behind_an_air_gap_serves_too(
    server: ReleaseServer, tmp_path: Path, cache: Path, write: str
) -> None:
    mirror = tmp_path / "mirror"
    for path, content in server.files.items():
        (mirror / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (mirror / path[1:]).write_bytes(content)
    assert contents(get(write.format(mirror), cache)) == tree(VERSION)
    assert get(write.format(mirror), cache, OLD).layout == "loose"
    assert "404" in refusal(write.format(mirror), cache, "20200101.0").message


def test_a_server_that_recovers_is_waited_for(server: ReleaseServer, cache: Path) -> None:
    server.faults[FOLDER + "gvisor.tar.zstd.sha512"] = [status(503)] * 2
    server.faults[FOLDER + "gvisor.tar.zstd"] = [status(503), cut(10)]
    assert contents(get(server, cache)) == tree(VERSION)


def test_an_archive_with_another_digest_is_refused(server: ReleaseServer, cache: Path) -> None:
    server.files[FOLDER + "gvisor.tar.zstd"] += b"more"
    assert digest(server, "gvisor.tar.zstd") in refusal(server, cache).message
    assert not list(cache.rglob("record.json"))


def test_programs_for_another_architecture_are_refused(server: ReleaseServer, cache: Path) -> None:
    server.publish(VERSION, archived(VERSION, "aarch64"))
    error = refusal(server, cache)
    assert error.message == "runsc is for aarch64, the node is x86_64"
    assert error.where == server.url + FOLDER.rstrip("/")


def test_an_error_page_in_the_place_of_the_shim_is_refused(server: ReleaseServer, cache: Path) -> None:
    server.publish(OLD, with_sum(SHIM, NOT_FOUND))
    assert f"{SHIM} is not an ELF program (it begins with `<?xml" in refusal(server, cache, OLD).message


def test_a_mirror_that_serves_another_release_is_refused(server: ReleaseServer, cache: Path) -> None:
    server.publish(OLD, archived(VERSION))
    error = refusal(server, cache, OLD)
    assert error.message == f"asked for {OLD}, it serves a runsc of {VERSION}"
    assert digest(server, "gvisor.tar.zstd", OLD) in error.hint


def test_one_build_under_two_names_is_accepted_once_it_is_pinned(server: ReleaseServer, cache: Path) -> None:
    server.publish(OLD, archived(VERSION))
    pins = {"gvisor.tar.zstd": digest(server, "gvisor.tar.zstd", OLD)}
    assert get(server, cache, OLD, pins=pins).version == OLD


def test_a_build_that_names_no_release_is_accepted(server: ReleaseServer, cache: Path) -> None:
    server.publish(VERSION, archived(VERSION, files=tree(VERSION) | {"runsc": program()}))
    assert contents(get(server, cache))["runsc"] == program()


def test_an_interrupted_download_is_gone_on_with(server: ReleaseServer, cache: Path) -> None:
    files = tree(VERSION) | {"gvisor-bin/large": os.urandom(500_000)}
    server.publish(VERSION, archived(VERSION, files=files))

    def interrupt(name: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(source_at(server, cache, interrupt), VERSION, "x86_64")
    assert not list(cache.rglob("record.json"))
    assert contents(get(server, cache)) == files
    assert server.requests[-1][1] is not None


def test_the_latest_is_the_version_that_its_runsc_names(server: ReleaseServer, cache: Path) -> None:
    assert newest(server, cache) == VERSION


def test_the_latest_is_downloaded_once_for_its_name_and_its_bytes(server: ReleaseServer, cache: Path) -> None:
    version = newest(server, cache)
    server.files.clear()
    assert contents(get(server, cache, version)) == tree(VERSION)
    assert server.count("gvisor.tar.zstd") == 1


def test_the_latest_that_is_here_already_is_not_downloaded(server: ReleaseServer, cache: Path) -> None:
    get(server, cache)
    server.requests.clear()
    assert newest(server, cache) == VERSION
    assert [path for path, _ in server.requests] == ["/release/latest/x86_64/gvisor.tar.zstd.sha512"]


def test_the_latest_may_be_loose(server: ReleaseServer, cache: Path) -> None:
    for path in [path for path in server.files if "/latest/" in path]:
        del server.files[path]
    server.publish("latest", loose(OLD))
    assert newest(server, cache) == OLD
    assert get(server, cache, OLD).layout == "loose"


def test_the_latest_that_is_not_published_under_its_own_name_is_refused(
    server: ReleaseServer, cache: Path
) -> None:
    server.publish("latest", archived("20261012.0"))
    with pytest.raises(NodeprovError, match="cannot determine which release") as caught:
        newest(server, cache)
    assert "20261012.0" in caught.value.message
    server.publish("20261012.0", archived("20261012.0", files=tree("20261012.0") | {"gvisor-bin/x": b"y"}))
    with pytest.raises(NodeprovError, match="cannot determine which release"):
        newest(server, cache)


def test_the_latest_that_names_no_version_is_refused(server: ReleaseServer, cache: Path) -> None:
    server.publish("latest", archived(VERSION, files=tree(VERSION) | {"runsc": program()}))
    with pytest.raises(NodeprovError, match="names none"):
        newest(server, cache)


def test_any_other_version_is_returned_as_it_is(server: ReleaseServer, cache: Path) -> None:
    assert newest(server, cache, "20260101") == "20260101"
    with pytest.raises(UsageError, match="not a release"):
        newest(server, cache, "release-20260905.0")
    assert server.requests == []


def test_a_hostile_archive_leaves_nothing_behind(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    archive = zstd(tar_of({"runsc": runsc(VERSION), "../../../../../../escaped": b"x"}))
    server.publish(VERSION, with_sum("gvisor.tar.zstd", archive))
    assert "outside" in refusal(server, cache).message
    assert not list(tmp_path.rglob("escaped"))
    assert not list(cache.rglob("record.json"))
