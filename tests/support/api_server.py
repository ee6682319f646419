"""A small API server on loopback: one collection, its pages, its watch, and what may go wrong on the way."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CUT, NOTHING = 0, -1
"""What may come in place of an answer: the connection is cut; or the request is done, and then it is cut."""


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def _act(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.server.asked.append((self.command, url.path, dict(query), self.headers.get("Authorization", "")))
        problem = self.server.problems.pop(0) if self.server.problems else None
        if problem == CUT:
            self._cut()
        elif isinstance(problem, bytes):
            self.wfile.write(problem)
            self._cut()
        elif isinstance(problem, tuple):
            status, after = problem
            self._answer(status, _status(status, "Later", "come again"), {"Retry-After": str(after)})
        elif problem and problem > 0:
            self._answer(problem, _status(problem, "", "something is wrong"))
        elif "watch" in query:
            self._watch(int(query["resourceVersion"]))
        else:
            status, value = self._done(unquote(url.path), query, body)
            if problem == NOTHING:
                self._cut()
            else:
                self._answer(status, value)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _act  # noqa: N815  http.server's names

    def _done(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        name = path.removeprefix("/api/v1/nodes").lstrip("/")
        with self.server.changed:
            there = self.server.items
            if not name and self.command == "GET":
                return self._page(query)
            if self.command == "POST":
                value = json.loads(body)
                name = value["metadata"]["name"]
                if name in there:
                    return 409, _status(409, "AlreadyExists", f'nodes "{name}" already exists')
                return 201, self.server.put(name, value)
            if name not in there:
                return 404, _status(404, "NotFound", f'nodes "{name}" not found')
            if self.command == "DELETE":
                wanted = json.loads(body).get("preconditions", {}).get("uid")
                if wanted not in (None, there[name]["metadata"].get("uid")):
                    return 409, _status(409, "Conflict", "the UID is another")
                self.server.remove(name)
                return 200, {"kind": "Status", "status": "Success"}
            if self.command == "PATCH":
                given = json.loads(body)
                metadata = {**there[name]["metadata"], **given.get("metadata", {})}
                return 200, self.server.put(name, {**there[name], **given, "metadata": metadata})
            return 200, there[name]

    def _page(self, query: dict[str, str]) -> tuple[int, Any]:
        begin = int(query.get("continue", "0"))
        if begin and self.server.forgets_pages:
            self.server.forgets_pages = False
            return 410, _status(410, "Expired", "the continue token is too old")
        names = sorted(self.server.items)[begin:]
        shown = names[: self.server.page]
        more = {"continue": str(begin + len(shown))} if len(names) > len(shown) else {}
        metadata = {"resourceVersion": str(self.server.version), **more}
        return 200, {"kind": "List", "metadata": metadata, "items": [self.server.items[each] for each in shown]}

    def _watch(self, since: int) -> None:
        if since < self.server.oldest:
            self.server.oldest = 0
            self._answer(410, _status(410, "Expired", "too old resource version"))
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        while True:
            with self.server.changed:
                while not (new := self.server.events[sent:]):
                    self.server.changed.wait()
                sent = len(self.server.events)
            for version, event in new:
                if event == "cut":
                    self.server.events.remove((version, event))
                    self._cut()
                    return
                if version > since:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class ApiServer(ThreadingHTTPServer):
    """Nodes, and what comes in place of answers: a status, one with its Retry-After, bytes, CUT or NOTHING."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.items: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[int, Any]] = []
        self.problems: list[int | bytes | tuple[int, float]] = []
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.page, self.version, self.oldest = 500, 1, 0
        self.forgets_pages = False
        self.changed = threading.Condition(threading.RLock())

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, name: str, value: dict[str, Any] | None = None) -> dict[str, Any]:
        with self.changed:
            self.version += 1
            kind = "MODIFIED" if name in self.items else "ADDED"
            given = value or {}
            metadata = {**given.get("metadata", {}), "name": name, "resourceVersion": str(self.version)}
            self.items[name] = {**given, "metadata": metadata}
            self._tell({"type": kind, "object": self.items[name]})
            return self.items[name]

    def remove(self, name: str) -> None:
        with self.changed:
            self.version += 1
            value = self.items.pop(name)
            value = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
            self._tell({"type": "DELETED", "object": value})

    def bookmark(self) -> None:
        with self.changed:
            self.version += 1
            self._tell({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}})

    def tell(self, event: Any) -> None:
        """Send an event of any form to those who watch; "cut" ends the connection of one of them."""
        with self.changed:
            self.version += 1
            self._tell(event)

    def _tell(self, event: Any) -> None:
        self.events.append((self.version, event))
        self.changed.notify_all()


@contextmanager
def api_server() -> Iterator[ApiServer]:
    server = ApiServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
