"""A release server for machines without Internet: `python -m nodeprov_lab.mirror FOLDER ADDRESS PORT`."""

import re
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_CHUNK_BYTES = 1 << 18

# What upstream's storage answers, with 404: whoever saves it as a binary has a broken node.
_NO_SUCH_KEY = (
    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code>"
    "<Message>The specified key does not exist.</Message>"
    "<Details>No such object: {path}</Details></Error>"
)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Understand a Range header of one range: the first byte and the one behind the last.

    Return None when the header is to be ignored; raise ValueError when no byte of the file is in the range.
    """
    match = _RANGE.match(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise ValueError(header)
    return start, end


class MirrorHandler(SimpleHTTPRequestHandler):
    """Serves the files of one folder, whole or in part, and lists nothing."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer with the file, or the part of it that is asked for."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self._refuse()
            return
        with path.open("rb") as file:
            size = path.stat().st_size
            try:
                part = parse_range(self.headers.get("Range", ""), size)
            except ValueError:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self._end_headers({"Content-Range": f"bytes */{size}", "Content-Length": "0"})
                return
            start, end = part or (0, size)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
            headers = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if part else {}
            length = str(end - start)
            self._end_headers({**headers, "Content-Type": "application/octet-stream", "Content-Length": length})
            if self.command == "GET":
                file.seek(start)
                self._send(file, end - start)

    def do_HEAD(self) -> None:
        """Answer as GET does, without the bytes."""
        self.do_GET()

    def _refuse(self) -> None:
        body = _NO_SUCH_KEY.format(path=escape(urlsplit(self.path).path.lstrip("/"))).encode()
        self.send_response(HTTPStatus.NOT_FOUND)
        self._end_headers({"Content-Type": "application/xml; charset=UTF-8", "Content-Length": str(len(body))})
        if self.command == "GET":
            self.wfile.write(body)

    def _end_headers(self, headers: dict[str, str]) -> None:
        for name, value in {"Accept-Ranges": "bytes", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, file: BinaryIO, length: int) -> None:
        while length and (chunk := file.read(min(length, _CHUNK_BYTES))):
            self.wfile.write(chunk)
            length -= len(chunk)


def make_server(folder: Path, address: str, port: int) -> ThreadingHTTPServer:
    """Listen; port 0 takes any free one."""
    return ThreadingHTTPServer((address, port), partial(MirrorHandler, directory=str(folder)))


if __name__ == "__main__":
    make_server(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])).serve_forever()
