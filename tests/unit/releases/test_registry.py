from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases.oci import sha256
from nodeprov.releases.registry import Place, Registry, login_of
from tests.support.registry_server import LOGIN, RegistryServer, registry

CONTENT = b"a blob"
DIGEST = sha256(CONTENT)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with registry() as server:
        yield server


def at(server: RegistryServer, login: str = "", *, plain_http: bool = True) -> Registry:
    return Registry(Place(server.host, "mirror/gvisor"), login, plain_http=plain_http, backoff_seconds=0)


def push(registry: Registry) -> bool:
    return registry.push_blob(DIGEST, lambda: nullcontext(CONTENT))


def refusal(registry: Registry) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        push(registry)
    assert caught.value.hint
    return caught.value


def test_a_blob_is_sent_once(server: RegistryServer) -> None:
    assert push(at(server))
    assert not push(at(server))
    assert server.blobs == {DIGEST: CONTENT}


@pytest.mark.parametrize("way", ["want_login", "want_token"])
def test_a_login_is_given_where_it_is_asked_for(way: str, server: RegistryServer) -> None:
    getattr(server, way)()
    assert push(at(server, LOGIN.removeprefix("Basic ")))
    error = refusal(at(server))
    assert "401" in error.message
    assert "docker login" in error.hint
    assert "401" in refusal(at(server, base64.b64encode(b"bob:x").decode())).message


def test_a_login_of_netrc_is_not_sent(
    server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.want_login()
    refusal(at(server))


def test_what_passes_is_tried_again_and_what_does_not_is_said(server: RegistryServer) -> None:
    server.fails_next = [503, 429]
    assert push(at(server))
    server.blobs.clear()
    server.fails_next = [503] * 5
    assert "503" in refusal(at(server)).message
    server.fails_next = [403]
    assert "docker login" in refusal(at(server)).hint
    server.fails_next = [405]
    assert "405" in refusal(at(server)).message


def test_what_the_registry_says_is_said(server: RegistryServer) -> None:
    with pytest.raises(NodeprovError, match="400 Bad Request: not its digest"):
        at(server).push_blob("0" * 64, lambda: nullcontext(CONTENT))
    with pytest.raises(NodeprovError, match="MANIFEST_BLOB_UNKNOWN"):
        at(server).push_manifest(
            "1", "x", json.dumps({"config": {"digest": "sha256:0"}, "layers": [], "mediaType": "x"}).encode()
        )


@pytest.mark.parametrize("elsewhere", ["https://registry.example.com/", "http://[bad"])
def test_a_registry_that_is_elsewhere_has_taken_nothing(server: RegistryServer, elsewhere: str) -> None:
    """A web server before it sends all to TLS, say: that is no answer that it has the blob."""
    server.redirects = elsewhere
    error = refusal(at(server))
    assert "301 Moved Permanently" in error.message
    assert elsewhere in error.message
    with pytest.raises(NodeprovError, match="301"):
        at(server).push_manifest("1", "x", b"{}")


def test_a_registry_without_tls_must_be_called_that(server: RegistryServer) -> None:
    error = refusal(at(server, plain_http=False))
    assert (error.message, error.hint) == ("it does not speak TLS", "if that is intended: --plain-http")


def test_a_token_is_not_bought_without_tls(server: RegistryServer) -> None:
    found = at(server, LOGIN.removeprefix("Basic "))
    found._base = found._base.replace("http://", "https://")
    with pytest.raises(NodeprovError, match="without TLS"):
        found._token({"realm": "http://127.0.0.1/token"})


def test_a_repository_is_read_without_a_tag() -> None:
    assert Place.of("registry.example.com:5000/mirror/gvisor") == Place(
        "registry.example.com:5000", "mirror/gvisor"
    )
    assert Place.of("[::1]:5000/x").host == "[::1]:5000"
    for wrong in ("gvisor", "http://x/y", "x/y:1", "x/Y", "x/../y", "x/", "a b/c", "u:p@x/y"):
        with pytest.raises(UsageError, match="is not a repository"):
            Place.of(wrong)


def test_a_login_is_read_as_docker_writes_it(tmp_path: Path) -> None:
    def written(value: object) -> str:
        (tmp_path / "config.json").write_text(json.dumps(value))
        return login_of("x:5000", tmp_path)

    assert login_of("x:5000", tmp_path) == ""
    good = base64.b64encode(b"ann:secret").decode()
    assert written({"auths": {"x:5000": {"auth": good}}}) == good
    assert written({"auths": {"y": {"auth": good}}}) == ""
    assert written({"auths": {}, "credsStore": "pass"}) == ""
    with pytest.raises(UsageError, match="docker-credential-pass has the login"):
        written({"auths": {"x:5000": {}}, "credsStore": "pass"})
    some: list[object] = [
        [],
        {"auths": []},
        {"auths": {"x:5000": {"auth": "%"}}},
        {"auths": {"x:5000": {"auth": "YQ=="}}},
    ]
    for wrong in some:
        with pytest.raises(UsageError):
            written(wrong)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is not understood"):
        login_of("x:5000", tmp_path)
