"""A registry on loopback, as the OCI distribution specification describes it, that may want a login."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOGIN = "Basic YW5uOnNlY3JldA=="
"""ann:secret."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RegistryServer

    def _act(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        url = urlsplit(self.path)
        self.server.asked.append(f"{self.command} {url.path}")
        if self.server.redirects:
            self._answer(301, headers={"Location": self.server.redirects})
        elif self.server.fails_next:
            self._answer(self.server.fails_next.pop())
        elif url.path == "/token":
            is_known = self.headers.get("Authorization") == LOGIN
            self._answer(200 if is_known else 401, json.dumps({"token": "t"}).encode() if is_known else b"")
        elif self.server.wants and self.headers.get("Authorization") != self.server.wants:
            self._answer(401, headers={"WWW-Authenticate": self.server.challenge})
        else:
            self._serve(url.path, parse_qs(url.query), body)

    do_GET = do_HEAD = do_POST = do_PUT = _act  # noqa: N815  http.server's names

    def _serve(self, path: str, query: Mapping[str, list[str]], body: bytes) -> None:
        blob = re.fullmatch(r"/v2/(.+)/blobs/sha256:([0-9a-f]{64})", path)
        manifest = re.fullmatch(r"/v2/(.+)/manifests/([A-Za-z0-9._:-]+)", path)
        if blob and self.command == "HEAD":
            self._answer(200 if blob[2] in self.server.blobs else 404)
        elif path.endswith("/blobs/uploads/") and self.command == "POST":
            self._answer(202, headers={"Location": f"{path}1?state=x"})
        elif path.endswith("/blobs/uploads/1") and self.command == "PUT":
            digest = hashlib.sha256(body).hexdigest()
            if query["digest"] != [f"sha256:{digest}"] or query["state"] != ["x"]:
                self._answer(400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "not its digest"}]}')
            else:
                self.server.blobs[digest] = body
                self._answer(201)
        elif manifest and self.command == "PUT":
            self._keep(manifest[2], body)
        else:
            self._answer(404)

    def _keep(self, reference: str, body: bytes) -> None:
        """Take a manifest, if all that it names is there."""
        value = json.loads(body)
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        named = [value["config"], *value["layers"]] if "config" in value else []
        is_whole = {each["digest"][7:] for each in named} <= self.server.blobs.keys()
        are_there = {each["digest"] for each in value.get("manifests", ())} <= self.server.manifests.keys()
        if not (is_whole and are_there) or (reference.startswith("sha256:") and reference != digest):
            self._answer(404, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}')
        elif self.headers["Content-Type"] != value["mediaType"]:
            self._answer(400)
        else:
            self.server.manifests[reference] = self.server.manifests[digest] = body
            self._answer(201)

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class RegistryServer(ThreadingHTTPServer):
    """What was pushed; the header that it wants; where it sends all; and the statuses with which it fails next."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.fails_next: list[int] = []
        self.wants = self.challenge = self.redirects = ""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def want_login(self) -> None:
        self.wants, self.challenge = LOGIN, 'Basic realm="r"'

    def want_token(self) -> None:
        self.wants = "Bearer t"
        self.challenge = f'Bearer realm="http://{self.host}/token",service="s",scope="repository:x:pull"'


@contextmanager
def registry() -> Iterator[RegistryServer]:
    server = RegistryServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
