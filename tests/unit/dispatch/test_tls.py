"""Whom the client of the API server believes: as kubectl does, also where Python has become stricter since."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeprov.dispatch.access import Access
from nodeprov.dispatch.api import Api, ApiError
from nodeprov_lab.credentials import Identity, issue, make_authority


class Server(http.server.BaseHTTPRequestHandler):
    """Answers everything with an empty object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def authority() -> Identity:
    """One whose certificates have no key identifier, as those of many clusters."""
    return make_authority("kubernetes")


@pytest.fixture
def address(authority: Identity, tmp_path: Path) -> Iterator[str]:
    """A server that has a certificate of the authority."""
    identity = issue(authority, "kube-apiserver", names=["127.0.0.1"])
    (tmp_path / "server.pem").write_bytes(identity.key + identity.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Python make contexts as 3.13 and later do."""
    made = ssl.create_default_context

    def create(**given: Any) -> ssl.SSLContext:
        context = made(**given)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    monkeypatch.setattr(ssl, "create_default_context", create)


@pytest.mark.usefixtures("strict")
def test_an_authority_without_a_key_identifier_is_believed(address: str, authority: Identity) -> None:
    assert Api(Access(address, authority.certificate.decode())).get("/version") == {}


def never(seconds: float) -> None:
    pytest.fail(f"waited {seconds} s for another certificate")


def test_another_authority_is_refused_at_once_and_not_asked_again(address: str) -> None:
    other = make_authority("kubernetes").certificate.decode()
    with pytest.raises(ApiError, match="its certificate is not believed") as caught:
        Api(Access(address, other), sleep=never).get("/version")
    assert caught.value.hint
