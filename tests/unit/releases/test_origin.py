"""What a web server, or a folder behind an air gap, is asked, and what is said of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.download import download
from nodeprov.releases.origin import Denied, Origin
from nodeprov.releases.pace import Limits
from tests.adversaries.lying_origin import self_signed
from tests.support.downloading import CONTENT, PATH, fetch, refusal
from tests.support.proxies import socks_proxy
from tests.support.release_server import ReleaseServer, cut, serving, sha512, status


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        server.files[PATH] = CONTENT
        yield server


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


def test_a_server_without_tls_is_told_in_words(server: ReleaseServer) -> None:
    with (
        Origin(server.url.replace("http:", "https:"), Limits(backoff_seconds=0)) as origin,
        pytest.raises(NodeprovError, match="the connection failed: it does not speak TLS"),
    ):
        origin.text("small")


def test_a_small_file_is_text_an_absent_one_is_none_a_denied_one_is_an_error(server: ReleaseServer) -> None:
    server.files["/small"] = b"text\n"
    server.faults["/denied"] = [status(403)]
    with Origin(server.url, Limits(backoff_seconds=0)) as origin:
        assert origin.text("small") == "text\n"
        assert origin.text("absent") is None
        with pytest.raises(Denied, match="403"):
            origin.text("denied")


def test_a_page_in_the_place_of_a_small_file_is_not_read_whole(server: ReleaseServer) -> None:
    with Origin(server.url, Limits(backoff_seconds=0)) as origin:
        assert len(origin.text("release/file") or "") < 5 * 4096


def test_a_folder_serves_as_a_web_server_does(tmp_path: Path) -> None:
    folder = tmp_path / "a mirror"
    (folder / "release").mkdir(parents=True)
    (folder / "release" / "file").write_bytes(CONTENT)
    (tmp_path / "to").mkdir()
    with Origin(folder.as_uri(), Limits(backoff_seconds=0)) as origin:
        assert origin.text("release/absent") is None
        assert origin.text("release") is None
        target = tmp_path / "to" / "file"
        (tmp_path / "to" / "file.part").write_bytes(b"kept of an earlier run")
        download(origin, "release/file", target, sha512=sha512(CONTENT), on_progress=lambda *_: None)
    assert target.read_bytes() == CONTENT


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


ELSEWHERE = "http://origin.invalid"
"""An origin that only a proxy finds."""


def from_elsewhere(folder: Path) -> bytes:
    with Origin(ELSEWHERE, Limits(backoff_seconds=0)) as origin:
        download(origin, PATH.lstrip("/"), folder / "file", sha512=sha512(CONTENT), on_progress=lambda *_: None)
    return (folder / "file").read_bytes()


def test_a_web_proxy_of_the_environment_is_used(
    server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[ELSEWHERE + PATH] = CONTENT  # a proxy is asked for a whole address
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert from_elsewhere(tmp_path) == CONTENT
    assert [path for path, _ in server.requests] == [ELSEWHERE + PATH]


def test_a_socks_proxy_of_the_environment_is_used_and_resolves_names(
    server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socks_proxy(server.server_port) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert from_elsewhere(tmp_path) == CONTENT
        assert proxy.asked == ["origin.invalid"]


def test_a_socks_proxy_does_not_keep_from_resuming(
    server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults[PATH] = [cut(len(CONTENT) // 2)]
    with socks_proxy(server.server_port) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert from_elsewhere(tmp_path) == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={len(CONTENT) // 2}-"]
