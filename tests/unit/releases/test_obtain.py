"""Releases from a real server on loopback: found, cached, pinned, and refused."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases.obtain import Release, obtain, resolve
from tests.support.release_server import (
    NOT_FOUND,
    ReleaseServer,
    archived,
    cut,
    loose,
    program,
    runsc,
    serving,
    sha512,
    status,
    sum_line,
    tar_of,
    tree,
    with_sum,
    zstd,
)

VERSION = "20260905.0"
OLD = "20260518.0"
FOLDER = f"/release/{VERSION}/x86_64/"
SHIM = "containerd-shim-runsc-v1"


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        server.publish(VERSION, archived(VERSION))
        server.publish(VERSION, archived(VERSION, "aarch64"), "aarch64")
        server.publish(OLD, loose(OLD))
        server.publish("latest", archived(VERSION))
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def get(
    origin: ReleaseServer | str,
    cache: Path,
    version: str = VERSION,
    architecture: str = "x86_64",
    pins: Mapping[str, str] | None = None,
) -> Release:
    base_url = origin if isinstance(origin, str) else origin.url
    return obtain(
        version,
        architecture,
        base_url=base_url,
        cache=cache,
        pins=pins or {},
        on_progress=lambda *_: None,
        backoff_seconds=0,
    )


def newest(server: ReleaseServer, cache: Path, version: str = "latest") -> str:
    return resolve(
        version,
        "x86_64",
        base_url=server.url,
        cache=cache,
        pins={},
        on_progress=lambda *_: None,
        backoff_seconds=0,
    )


def refusal(
    origin: ReleaseServer | str,
    cache: Path,
    version: str = VERSION,
    architecture: str = "x86_64",
    pins: Mapping[str, str] | None = None,
) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        get(origin, cache, version, architecture, pins)
    assert caught.value.hint
    return caught.value


def contents(release: Release) -> dict[str, bytes]:
    paths = [path for path in release.folder.rglob("*") if path.is_file()]
    return {path.relative_to(release.folder).as_posix(): path.read_bytes() for path in paths}


def digest(server: ReleaseServer, name: str, version: str = VERSION) -> str:
    return sha512(server.files[f"/release/{version}/x86_64/{name}"])


# What is found


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


def test_bz2_is_used_where_there_is_no_zstd(server: ReleaseServer, cache: Path) -> None:
    del server.files[FOLDER + "gvisor.tar.zstd.sha512"]
    assert get(server, cache).sha512.keys() == {"gvisor.tar.bz2"}


def test_an_archive_is_preferred_to_loose_files(server: ReleaseServer, cache: Path) -> None:
    server.publish(VERSION, loose(VERSION))
    assert get(server, cache).layout == "archive"


def test_each_architecture_is_fetched_from_its_own_folder(server: ReleaseServer, cache: Path) -> None:
    intel, arm = get(server, cache), get(server, cache, architecture="aarch64")
    assert intel.folder != arm.folder
    assert intel.name != arm.name


def test_a_date_alone_is_the_release_of_that_day(server: ReleaseServer, cache: Path) -> None:
    server.publish("20260905", archived("20260905.2"))
    assert get(server, cache, "20260905").version == "20260905"


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


# What is refused


def test_a_release_that_is_not_there_is_an_error_with_address_status_and_hint(
    server: ReleaseServer, cache: Path
) -> None:
    error = refusal(server, cache, "20260906")
    assert error.where == f"{server.url}/release/20260906/x86_64"
    assert error.message == (
        "there is no gVisor 20260906 for x86_64: 404 for gvisor.tar.zstd, gvisor.tar.bz2, runsc"
    )
    assert "try 20260906.0" in error.hint
    assert "base_url" in error.hint


def test_a_denied_archive_does_not_hide_loose_files(server: ReleaseServer, cache: Path) -> None:
    for name in ("gvisor.tar.zstd.sha512", "gvisor.tar.bz2.sha512"):
        server.faults[f"/release/{OLD}/x86_64/{name}"] = [status(403)]
    assert get(server, cache, OLD).layout == "loose"


def test_where_all_is_denied_the_error_says_that_it_may_be_absent(server: ReleaseServer, cache: Path) -> None:
    for name in ("gvisor.tar.zstd.sha512", "gvisor.tar.bz2.sha512", "runsc.sha512"):
        server.faults[FOLDER + name] = [status(403)]
    error = refusal(server, cache)
    assert error.message == "403 Forbidden"
    assert "whether the release exists" in error.hint


def test_a_server_in_trouble_is_not_taken_for_an_absent_release(server: ReleaseServer, cache: Path) -> None:
    server.faults[FOLDER + "gvisor.tar.zstd.sha512"] = [status(500)] * 100
    assert "500" in refusal(server, cache).message
    assert server.count("bz2.sha512") == 0


def test_a_server_that_recovers_is_waited_for(server: ReleaseServer, cache: Path) -> None:
    server.faults[FOLDER + "gvisor.tar.zstd.sha512"] = [status(503)] * 2
    server.faults[FOLDER + "gvisor.tar.zstd"] = [status(503), cut(10)]
    assert contents(get(server, cache)) == tree(VERSION)


def test_half_of_a_loose_release_is_refused(server: ReleaseServer, cache: Path) -> None:
    del server.files[f"/release/{OLD}/x86_64/{SHIM}.sha512"]
    assert refusal(server, cache, OLD).message == f"the release has no {SHIM}"


SUMS = {
    "a web page": (b"<html>log in</html>", "no line of sha512sum (it begins with `<html>log in</ht`)"),
    "nothing": (b"", "no line of sha512sum (it is empty)"),
    "another file's": (sum_line("runsc", b"x"), "the sum is that of 'runsc'"),
    "a path's": (sum_line("./gvisor.tar.zstd", b"x"), "the sum is that of './gvisor.tar.zstd'"),
    "upper case": (sum_line("gvisor.tar.zstd", b"x").upper(), "no line of sha512sum"),
    "a sha256": (b"a" * 64 + b"  gvisor.tar.zstd\n", "no line of sha512sum"),
    "two lines": (sum_line("gvisor.tar.zstd", b"x") * 2, "no line of sha512sum"),
}


@pytest.mark.parametrize(("line", "message"), SUMS.values(), ids=SUMS.keys())
def test_a_sum_that_is_none_or_another_files_is_refused(
    server: ReleaseServer, cache: Path, line: bytes, message: str
) -> None:
    server.files[FOLDER + "gvisor.tar.zstd.sha512"] = line
    error = refusal(server, cache)
    assert message in error.message
    assert error.where == f"{server.url}{FOLDER}gvisor.tar.zstd.sha512"


def test_a_sum_in_binary_mode_or_without_line_end_is_understood(server: ReleaseServer, cache: Path) -> None:
    line = server.files[FOLDER + "gvisor.tar.zstd.sha512"]
    server.files[FOLDER + "gvisor.tar.zstd.sha512"] = line.replace(b"  ", b" *").strip()
    assert get(server, cache).layout == "archive"


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


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("release-20260905.0", "type 20260905.0"),
        ("v20260905.0", "type 20260905.0"),
        ("20260905.0/..", "type 20260905.0"),
        ("2026-09-05", "20260905.0"),
        ("newest", "20260905.0"),
        ("latest", "20260905.0"),
        ("", "20260905.0"),
        ("20260905.0\n", "type 20260905.0"),
    ],
)
def test_what_is_no_version_is_answered_with_what_to_type(
    server: ReleaseServer, cache: Path, version: str, hint: str
) -> None:
    error = refusal(server, cache, version)
    assert isinstance(error, UsageError)
    assert hint in error.hint
    assert server.requests == []


def test_an_architecture_of_docker_is_answered_with_what_to_type(server: ReleaseServer, cache: Path) -> None:
    error = refusal(server, cache, architecture="amd64")
    assert isinstance(error, UsageError)
    assert "x86_64" in error.hint


@pytest.mark.parametrize(
    "base_url",
    [
        "mirror.example.org",
        "ftp://mirror/x",
        "",
        "relative/path",
        "file://host/x",
        "https://[::1/x",
        "https://exa℀mple/",
    ],
)
def test_what_is_no_base_url_is_refused(cache: Path, base_url: str) -> None:
    assert isinstance(refusal(base_url, cache), UsageError)


def test_a_password_in_the_base_url_is_refused_and_not_shown(cache: Path) -> None:
    error = refusal("https://me:secret@mirror.example.org/gvisor", cache)
    assert isinstance(error, UsageError)
    assert ".netrc" in error.hint
    assert "secret" not in str(error)


# Pins


def test_the_pinned_artifact_is_fetched_though_another_is_preferred(server: ReleaseServer, cache: Path) -> None:
    pins = {"gvisor.tar.bz2": digest(server, "gvisor.tar.bz2")}
    assert get(server, cache, pins=pins).sha512 == pins
    assert server.count("zstd.sha512") == 0


def test_loose_files_are_used_when_they_are_what_is_pinned(server: ReleaseServer, cache: Path) -> None:
    server.publish(VERSION, loose(VERSION))
    pins = {"runsc": digest(server, "runsc"), SHIM: digest(server, SHIM)}
    assert get(server, cache, pins=pins).layout == "loose"


def test_a_pin_of_an_artifact_that_is_not_used_does_not_matter(server: ReleaseServer, cache: Path) -> None:
    pins = {"gvisor.tar.zstd": digest(server, "gvisor.tar.zstd"), "gvisor.tar.bz2": "0" * 128, "runsc": "1" * 128}
    assert get(server, cache, pins=pins).sha512.keys() == {"gvisor.tar.zstd"}


def test_an_origin_that_changed_is_refused_before_anything_is_downloaded(
    server: ReleaseServer, cache: Path
) -> None:
    error = refusal(server, cache, pins={"gvisor.tar.zstd": "0" * 128})
    assert error.message.startswith("the origin has changed: gvisor.tar.zstd")
    assert "0" * 128 in error.message
    assert digest(server, "gvisor.tar.zstd") in error.message
    assert server.count("gvisor.tar.zstd") == 0


def test_what_is_pinned_and_absent_is_not_replaced_by_what_is_not_pinned(
    server: ReleaseServer, cache: Path
) -> None:
    del server.files[FOLDER + "gvisor.tar.zstd.sha512"]
    error = refusal(server, cache, pins={"gvisor.tar.zstd": "0" * 128})
    assert error.message.endswith("404 for gvisor.tar.zstd")


@pytest.mark.parametrize(
    ("pins", "hint"),
    [
        ({"runsc": "0" * 128}, f"pin {SHIM} too"),
        ({SHIM: "0" * 128}, "pin runsc too"),
        ({"gvisor.tar.xz": "0" * 128}, "pin gvisor.tar.zstd"),
        ({"gvisor.tar.zstd": "0" * 64}, "128"),
        ({"gvisor.tar.zstd": "A" * 128}, "lower-case"),
    ],
)
def test_pins_that_pin_no_release_are_refused(
    server: ReleaseServer, cache: Path, pins: dict[str, str], hint: str
) -> None:
    error = refusal(server, cache, OLD, pins=pins)
    assert isinstance(error, UsageError)
    assert hint in error.hint


# The cache


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

    obtain(VERSION, "x86_64", base_url=server.url, cache=cache, pins={}, on_progress=progress)
    assert told[0] == "waiting for another run"


def test_an_interrupted_download_is_gone_on_with(server: ReleaseServer, cache: Path) -> None:
    files = tree(VERSION) | {"gvisor-bin/large": os.urandom(500_000)}
    server.publish(VERSION, archived(VERSION, files=files))

    def interrupt(name: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(VERSION, "x86_64", base_url=server.url, cache=cache, pins={}, on_progress=interrupt)
    assert not list(cache.rglob("record.json"))
    assert contents(get(server, cache)) == files
    assert server.requests[-1][1] is not None


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


# The latest


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
    with pytest.raises(NodeprovError, match="cannot tell which release") as caught:
        newest(server, cache)
    assert "20261012.0" in caught.value.message
    server.publish("20261012.0", archived("20261012.0", files=tree("20261012.0") | {"gvisor-bin/x": b"y"}))
    with pytest.raises(NodeprovError, match="cannot tell which release"):
        newest(server, cache)


def test_the_latest_that_names_no_version_is_refused(server: ReleaseServer, cache: Path) -> None:
    server.publish("latest", archived(VERSION, files=tree(VERSION) | {"runsc": program()}))
    with pytest.raises(NodeprovError, match="names none"):
        newest(server, cache)


def test_any_other_version_is_returned_as_it_is(server: ReleaseServer, cache: Path) -> None:
    assert newest(server, cache, "20260101") == "20260101"
    with pytest.raises(UsageError, match="no release"):
        newest(server, cache, "release-20260905.0")
    assert server.requests == []


def test_a_hostile_archive_leaves_nothing_behind(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    archive = zstd(tar_of({"runsc": runsc(VERSION), "../../../../../../escaped": b"x"}))
    server.publish(VERSION, with_sum("gvisor.tar.zstd", archive))
    assert "outside" in refusal(server, cache).message
    assert not list(tmp_path.rglob("escaped"))
    assert not list(cache.rglob("record.json"))
