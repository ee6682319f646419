"""What the dispatcher says of itself over HTTP: whether it lives, whether it is ready, and numbers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, str]
Samples = Mapping[tuple[tuple[str, str], ...], float]
"""The values of a metric by their labels."""
_TEXT = "text/plain; charset=utf-8; version=0.0.4"
"""Of the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        answer = self.server.pages.get(self.path.partition("?")[0])
        status, text = answer() if answer else (404, "there are /healthz, /readyz and /metrics\n")
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", _TEXT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
        """Log nothing: kubelet asks every few seconds."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pages: Mapping[str, Callable[[], Answer]]
    # A pod may have an IPv6 address alone, and kubelet asks the first one that it has.
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def serve(pages: Mapping[str, Callable[[], Answer]], port: int) -> ThreadingHTTPServer:
    """Serve pages in a thread, at all addresses; the caller closes it. Raises OSError where the port is taken."""
    server = _Server(("", port), _Handler)
    server.pages = pages
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def metric(
    name: str, kind: str, about: str, samples: Mapping[tuple[tuple[str, str], ...], float]
) -> Iterator[str]:
    """Write one metric in Prometheus' text format; a sample is known by its labels."""
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples.items():
        named = ",".join(f"{key}={json.dumps(text)}" for key, text in labels)
        yield f"{name}{{{named}}} {_number(value)}" if named else f"{name} {_number(value)}"


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.3f}"
