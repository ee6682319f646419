"""Downloads from a real server on loopback that breaks off, lies, and comes back."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.releases.download import download
from nodeprov.releases.origin import ATTEMPTS, Origin
from nodeprov.releases.pace import Limits
from tests.support.downloading import CONTENT, PATH, fetch, refusal
from tests.support.release_server import (
    Fault,
    Handler,
    ReleaseServer,
    cut,
    ignoring_range,
    serving,
    sha512,
    status,
)


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        server.files[PATH] = CONTENT
        yield server


def test_a_file_arrives_and_the_progress_tells_of_every_byte(server: ReleaseServer, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with Origin(server.url, Limits(backoff_seconds=0)) as origin:
        download(
            origin,
            PATH[1:],
            tmp_path / "file",
            sha512=sha512(CONTENT),
            on_progress=lambda name, done, total: told.append((name, done, total)),
        )
    assert {(name, total) for name, _, total in told} == {("file", len(CONTENT))}
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)


def test_a_file_that_is_there_already_is_not_asked_for(server: ReleaseServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests == []


def test_a_broken_connection_is_resumed_where_it_ended(server: ReleaseServer, tmp_path: Path) -> None:
    server.faults[PATH] = [cut(400_000), cut(300_000)]
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests == [(PATH, None), (PATH, "bytes=400000-"), (PATH, "bytes=700000-")]


def test_a_link_that_breaks_often_but_brings_something_is_not_given_up(
    server: ReleaseServer, tmp_path: Path
) -> None:
    server.faults[PATH] = [cut(50_000)] * (3 * ATTEMPTS)
    assert fetch(server, tmp_path) == CONTENT


def test_a_link_that_brings_nothing_is_given_up_and_what_arrived_is_kept(
    server: ReleaseServer, tmp_path: Path
) -> None:
    server.faults[PATH] = [cut(50_000)] + [cut(0)] * 100
    error = refusal(server, tmp_path)
    assert f"{len(CONTENT) - 50_000} bytes are missing" in error.message
    assert len(server.requests) == ATTEMPTS + 1
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:50_000]


def test_a_server_that_ignores_the_range_is_read_from_the_start(server: ReleaseServer, tmp_path: Path) -> None:
    server.faults[PATH] = [cut(400_000), ignoring_range]
    assert fetch(server, tmp_path) == CONTENT


def test_a_server_that_ignores_the_range_and_always_breaks_is_given_up(
    server: ReleaseServer, tmp_path: Path
) -> None:
    def restart(size: int) -> Fault:
        return lambda handler, content: handler.answer(200, content, cut_to=size)

    server.faults[PATH] = [restart(size) for size in (60_000, 50_000) * 50]
    refusal(server, tmp_path)
    assert len(server.requests) == ATTEMPTS + 1


def test_a_file_that_changed_between_two_parts_is_read_from_the_start(
    server: ReleaseServer, tmp_path: Path
) -> None:
    server.faults[PATH] = [cut(400_000)]
    changed = bytes(reversed(CONTENT))

    def change(name: str, done: int, total: int | None) -> None:
        server.files[PATH] = changed

    with Origin(server.url, Limits(backoff_seconds=0)) as origin:
        download(origin, PATH[1:], tmp_path / "file", sha512=sha512(changed), on_progress=change)
    assert (tmp_path / "file").read_bytes() == changed
    assert [asked for _, asked in server.requests] == [None, "bytes=400000-"]


def test_a_part_of_an_earlier_run_is_completed(server: ReleaseServer, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests == [(PATH, "bytes=1000-")]


def test_a_part_that_is_whole_already_is_kept(server: ReleaseServer, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path) == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("part", [b"of something else", CONTENT + b"more"])
def test_a_part_that_does_not_fit_is_thrown_away(server: ReleaseServer, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "file.part").write_bytes(part)
    assert fetch(server, tmp_path) == CONTENT
    assert [asked for _, asked in server.requests] == [f"bytes={len(part)}-", None]


def test_wrong_bytes_are_refused_and_not_kept(server: ReleaseServer, tmp_path: Path) -> None:
    error = refusal(server, tmp_path, content=b"other")
    assert sha512(CONTENT) in error.message
    assert sha512(b"other") in error.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(server: ReleaseServer, tmp_path: Path, code: int) -> None:
    server.faults[PATH] = [status(code), status(code)]
    assert fetch(server, tmp_path) == CONTENT


def test_a_body_that_a_server_calls_compressed_is_stored_as_it_is(server: ReleaseServer, tmp_path: Path) -> None:
    server.faults[PATH] = [lambda handler, content: handler.answer(200, content, {"Content-Encoding": "zstd"})]
    assert fetch(server, tmp_path) == CONTENT


def test_a_range_that_was_not_asked_for_is_refused(server: ReleaseServer, tmp_path: Path) -> None:
    def elsewhere(handler: Handler, content: bytes) -> None:
        handler.answer(206, content[5:], {"Content-Range": f"bytes 5-{len(content) - 1}/{len(content)}"})

    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    server.faults[PATH] = [elsewhere]
    assert "another range" in refusal(server, tmp_path).message


def _download_slowly(url: str, target: Path) -> None:
    with Origin(url, Limits(backoff_seconds=0)) as origin:
        download(origin, PATH[1:], target, sha512=sha512(CONTENT), on_progress=lambda *_: time.sleep(0.05))


def test_a_run_that_was_killed_is_gone_on_with(server: ReleaseServer, tmp_path: Path) -> None:
    run = multiprocessing.get_context("spawn").Process(
        target=_download_slowly, args=(server.url, tmp_path / "file")
    )
    run.start()
    part = tmp_path / "file.part"
    deadline = time.monotonic() + 10
    while not (part.exists() and part.stat().st_size > 200_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.kill()
    run.join()
    assert not (tmp_path / "file").exists()
    kept = part.stat().st_size
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests[-1] == (PATH, f"bytes={kept}-")


def test_an_interrupt_leaves_what_arrived(server: ReleaseServer, tmp_path: Path) -> None:
    def interrupt(name: str, done: int, total: int | None) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    with Origin(server.url, Limits(backoff_seconds=0)) as origin, pytest.raises(KeyboardInterrupt):
        download(origin, PATH[1:], tmp_path / "file", sha512=sha512(CONTENT), on_progress=interrupt)
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests[-1][1] is not None
