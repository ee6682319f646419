from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread

import pytest

from nodeprov_lab.gvisor_releases import release_archive, sha512_line
from nodeprov_lab.mirror import make_server, parse_range

CONTENT = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("mirror")
    (folder / "release").mkdir()
    (folder / "release" / "runsc").write_bytes(CONTENT)
    (folder.parent / "secret").write_text("outside")
    with make_server(folder, "127.0.0.1", 0) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(port: int, method: str, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_a_file_is_served_whole(port: int) -> None:
    response, body = ask(port, "GET", "/release/runsc")
    assert (response.status, body) == (200, CONTENT)


def test_head_tells_the_size_and_sends_nothing(port: int) -> None:
    response, body = ask(port, "HEAD", "/release/runsc")
    assert (response.status, response.headers["Content-Length"], body) == (200, "1024", b"")


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-0", CONTENT[:1]), ("bytes=1000-", CONTENT[1000:]), ("bytes=-10", CONTENT[-10:])],
)
def test_an_interrupted_download_can_go_on(port: int, header: str, expected: bytes) -> None:
    response, body = ask(port, "GET", "/release/runsc", Range=header)
    assert (response.status, body) == (206, expected)
    assert response.headers["Content-Range"].endswith("/1024")


def test_a_range_behind_the_end_is_refused(port: int) -> None:
    response, _ = ask(port, "GET", "/release/runsc", Range="bytes=1024-")
    assert (response.status, response.headers["Content-Range"]) == (416, "bytes */1024")


def test_a_missing_file_answers_as_upstream_does(port: int) -> None:
    response, body = ask(port, "GET", "/release/latest/<none>")
    assert response.status == 404
    assert b"<Code>NoSuchKey</Code>" in body
    assert b"release/latest/&lt;none&gt;" in body
    assert 150 < len(body) < 300


@pytest.mark.parametrize("path", ["/release/", "/", "/../secret", "/%2e%2e/secret"])
def test_folders_and_what_is_outside_are_not_served(port: int, path: str) -> None:
    assert ask(port, "GET", path)[0].status == 404


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("items=0-1", None),
        ("bytes=0-1,4-5", None),
        ("bytes=0-", (0, 10)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-99", (0, 10)),
    ],
)
def test_ranges_of_ten_bytes(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == expected


def test_a_digest_line_is_what_sha512sum_prints() -> None:
    digest, _, name = sha512_line(b"", "runsc").partition("  ")
    assert digest.startswith("cf83e1357eefb8bd")
    assert (len(digest), name) == (128, "runsc\n")


def test_the_same_release_gives_the_same_archive() -> None:
    members = {"runsc": b"one", "gvisor-bin/gvisor_sentry": b"two"}
    assert release_archive(members) == release_archive(dict(members))
