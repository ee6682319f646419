"""Downloads from a real server on loopback that breaks off, lies, and comes back."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.download import download
from nodeprov.releases.origin import ATTEMPTS, Denied, Origin
from tests.adversaries.lying_origin import self_signed
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

CONTENT = hashlib.shake_256(b"gvisor").digest(1 << 20)
PATH = "/release/file"


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        server.files[PATH] = CONTENT
        yield server


def fetch(server: ReleaseServer, folder: Path, *, content: bytes = CONTENT) -> bytes:
    with Origin(server.url, backoff_seconds=0) as origin:
        target = folder / "file"
        download(origin, PATH[1:], target, sha512=sha512(content), on_progress=lambda *_: None)
    assert [path.name for path in folder.iterdir()] == ["file"]
    return target.read_bytes()


def refusal(server: ReleaseServer, folder: Path, *, content: bytes = CONTENT) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        fetch(server, folder, content=content)
    assert caught.value.hint
    assert server.url in str(caught.value)
    return caught.value


def test_a_file_arrives_and_the_progress_tells_of_every_byte(server: ReleaseServer, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with Origin(server.url, backoff_seconds=0) as origin:
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

    with Origin(server.url, backoff_seconds=0) as origin:
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


@pytest.mark.parametrize(
    ("code", "said"),
    [(503, "503 Service Unavailable"), (403, "403 Forbidden"), (404, "404 Not Found"), (418, "418")],
)
def test_a_bad_status_is_named_with_the_address(
    server: ReleaseServer, tmp_path: Path, code: int, said: str
) -> None:
    server.faults[PATH] = [status(code)] * 10
    error = refusal(server, tmp_path)
    assert said in error.message
    assert error.where == server.url + PATH


def test_a_body_that_a_server_calls_compressed_is_stored_as_it_is(server: ReleaseServer, tmp_path: Path) -> None:
    server.faults[PATH] = [lambda handler, content: handler.answer(200, content, {"Content-Encoding": "zstd"})]
    assert fetch(server, tmp_path) == CONTENT


def test_a_range_that_was_not_asked_for_is_refused(server: ReleaseServer, tmp_path: Path) -> None:
    def elsewhere(handler: Handler, content: bytes) -> None:
        handler.answer(206, content[5:], {"Content-Range": f"bytes 5-{len(content) - 1}/{len(content)}"})

    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    server.faults[PATH] = [elsewhere]
    assert "another range" in refusal(server, tmp_path).message


def test_a_redirect_is_followed(server: ReleaseServer, tmp_path: Path) -> None:
    server.files["/elsewhere"] = CONTENT
    server.faults[PATH] = [status(302, Location="/elsewhere")]
    assert fetch(server, tmp_path) == CONTENT


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serving() as gone:
        pass
    error = refusal(gone, tmp_path)
    assert error.message == "the connection failed: connection refused"
    assert "HTTPS_PROXY" in error.hint


def test_a_small_file_is_text_an_absent_one_is_none_a_denied_one_is_an_error(server: ReleaseServer) -> None:
    server.files["/small"] = b"text\n"
    server.faults["/denied"] = [status(403)]
    with Origin(server.url, backoff_seconds=0) as origin:
        assert origin.text("small") == "text\n"
        assert origin.text("absent") is None
        with pytest.raises(Denied, match="403"):
            origin.text("denied")


def test_a_page_in_the_place_of_a_small_file_is_not_read_whole(server: ReleaseServer) -> None:
    with Origin(server.url, backoff_seconds=0) as origin:
        assert len(origin.text("release/file") or "") < 5 * 4096


def test_a_folder_serves_as_a_web_server_does(tmp_path: Path) -> None:
    folder = tmp_path / "a mirror"
    (folder / "release").mkdir(parents=True)
    (folder / "release" / "file").write_bytes(CONTENT)
    (tmp_path / "to").mkdir()
    with Origin(folder.as_uri(), backoff_seconds=0) as origin:
        assert origin.text("release/absent") is None
        assert origin.text("release") is None
        target = tmp_path / "to" / "file"
        (tmp_path / "to" / "file.part").write_bytes(b"kept of an earlier run")
        download(origin, "release/file", target, sha512=sha512(CONTENT), on_progress=lambda *_: None)
    assert target.read_bytes() == CONTENT


def _download_slowly(url: str, target: Path) -> None:
    with Origin(url, backoff_seconds=0) as origin:
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

    with Origin(server.url, backoff_seconds=0) as origin, pytest.raises(KeyboardInterrupt):
        download(origin, PATH[1:], tmp_path / "file", sha512=sha512(CONTENT), on_progress=interrupt)
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests[-1][1] is not None


@pytest.fixture
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ReleaseServer, Path]]:
    """A server with a certificate of its own, and where that lies."""
    context, pem = self_signed(tmp_path_factory.mktemp("tls"))
    with serving(ReleaseServer(context)) as server:
        server.files[PATH] = CONTENT
        yield server, pem


def test_a_certificate_of_ones_own_authority_is_trusted_when_told_to(
    tls: tuple[ReleaseServer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, pem = tls
    error = refusal(server, tmp_path)
    assert error.message == "its certificate is not trusted"
    assert "REQUESTS_CA_BUNDLE" in error.hint
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    assert fetch(server, tmp_path) == CONTENT
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/absent.pem")
    (tmp_path / "file").unlink()
    assert "/absent.pem" in refusal(server, tmp_path).message


def test_a_redirect_from_tls_to_none_is_refused(
    tls: tuple[ReleaseServer, Path], server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure, pem = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    secure.faults[PATH] = [status(302, Location=server.url + PATH)]
    assert "without TLS" in refusal(secure, tmp_path).message
