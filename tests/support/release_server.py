"""A release server on loopback that can misbehave, and the smallest programs that pass for gVisor's."""

from __future__ import annotations

import bz2
import hashlib
import io
import re
import ssl
import struct
import tarfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import zstandard

NOT_FOUND = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code>"
    b"<Message>The specified key does not exist.</Message></Error>"
)
MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243}

Fault = Callable[["Handler", bytes], None]


def program(architecture: str = "x86_64", text: bytes = b"", *, kind: int = 2) -> bytes:
    """An ELF header as a linker would write it, and some bytes."""
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", kind, MACHINES[architecture], 1, 0x401000, 64, 0, 0, 64, 56, 0, 64, 0, 0
    )
    return identity + header + b"\0" + text + b"\0"


def runsc(version: str, architecture: str = "x86_64") -> bytes:
    return program(architecture, f"release-{version}".encode())


def tree(version: str, architecture: str = "x86_64") -> dict[str, bytes]:
    """What a release's archive holds."""
    return {
        "runsc": runsc(version, architecture),
        "containerd-shim-runsc-v1": program(architecture, b"shim"),
        "gvisor-bin/gvisor_sentry": program(architecture, b"sentry"),
        "gvisor-bin/licenses.txt": b"a sidecar that is no program",
    }


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, linkname
    return info


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar of members as they are, however odd."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def tar_of(files: Mapping[str, bytes], prefix: str = "") -> bytes:
    return tar((member(prefix + name, size=len(content)), content) for name, content in files.items())


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def sum_line(name: str, content: bytes) -> bytes:
    return f"{hashlib.sha512(content).hexdigest()}  {name}\n".encode()


def sha512(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest()


def with_sum(name: str, content: bytes) -> dict[str, bytes]:
    return {name: content, f"{name}.sha512": sum_line(name, content)}


def archived(
    version: str, architecture: str = "x86_64", files: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """A release in today's layout: two archives and their sums."""
    content = tar_of(tree(version, architecture) if files is None else files)
    return with_sum("gvisor.tar.zstd", zstd(content)) | with_sum("gvisor.tar.bz2", bz2.compress(content))


def loose(version: str, architecture: str = "x86_64") -> dict[str, bytes]:
    """A release in the old layout: two programs and their sums."""
    files = tree(version, architecture)
    return with_sum("runsc", files["runsc"]) | with_sum(
        "containerd-shim-runsc-v1", files["containerd-shim-runsc-v1"]
    )


class Handler(BaseHTTPRequestHandler):
    """Serves as a bucket does: ranges, ETags, and XML with 404."""

    protocol_version = "HTTP/1.1"
    server: ReleaseServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        content = self.server.files.get(self.path)
        faults = self.server.faults[self.path]
        if faults:
            faults.pop(0)(self, content or b"")
        elif content is None:
            self.answer(404, NOT_FOUND)
        else:
            self.serve(content)

    def serve(self, content: bytes) -> None:
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", etag) != etag:
            self.answer(200, content, {"ETag": etag})
        elif int(asked[1]) >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            start = int(asked[1])
            rest = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[start:], {"ETag": etag, "Content-Range": rest})

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, cut_to: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut_to])
        if cut_to is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class ReleaseServer(ThreadingHTTPServer):
    """Files by path, what to do wrong next for each path, and what was asked."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.files: dict[str, bytes] = {}
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def publish(self, version: str, files: Mapping[str, bytes], architecture: str = "x86_64") -> None:
        for name, content in files.items():
            self.files[f"/release/{version}/{architecture}/{name}"] = content

    def count(self, ending: str) -> int:
        return sum(path.endswith(ending) for path, _ in self.requests)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client went away, as tests do


@contextmanager
def serving(server: ReleaseServer | None = None) -> Iterator[ReleaseServer]:
    server = server or ReleaseServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def status(code: int, **headers: str) -> Fault:
    return lambda handler, _: handler.answer(code, b"", headers)


def cut(size: int) -> Fault:
    """Say the whole length, send so many bytes of what was asked for, and hang up."""

    def fault(handler: Handler, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        rest = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        handler.answer(206 if asked else 200, content[start:], {"ETag": etag, **rest}, cut_to=size)

    return fault


def ignoring_range(handler: Handler, content: bytes) -> None:
    handler.answer(200, content)
