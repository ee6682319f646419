"""An OCI image layout in one tar: written in one way only, read strictly, and never held in memory as a whole."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nodeprov.errors import UsageError
from nodeprov.releases.pace import Progress

LAYOUT, INDEX = "oci-layout", "index.json"
VERSION = b'{"imageLayoutVersion":"1.0.0"}'
AGAIN = "it was altered, or not copied whole: copy it again, or write it again: nodeprov bundle FILE"

_BLOCK = tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20
_MOST_ENTRIES = 1000
_MOST_TEXT_BYTES = 4 << 20
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")

Blob = bytes | Path


class Altered(UsageError):
    """A file is not as it was written."""


def write_layout(target: BinaryIO, index: bytes, blobs: Mapping[str, Blob]) -> None:
    """Write a layout: its index, and the blobs by their SHA-256 digests in hex.

    Nothing in it has a time or an owner. The index stands before the blobs, so that it is found at once.
    """
    files = [(LAYOUT, VERSION), (INDEX, index), *((blob_path(each), blobs[each]) for each in sorted(blobs))]
    for name, content in files:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        target.write(_header(name, size))
        if isinstance(content, bytes):
            target.write(content)
        else:
            with content.open("rb") as file:
                shutil.copyfileobj(file, target, _CHUNK_BYTES)
        target.write(bytes(-size % _BLOCK))
    target.write(bytes(2 * _BLOCK))


def blob_path(digest: str) -> str:
    """Name the place of a blob."""
    return f"blobs/sha256/{digest}"


def _header(name: str, size_bytes: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size_bytes, 0o644
    return entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


@dataclass(frozen=True, slots=True)
class _Part:
    offset: int
    size_bytes: int


class _Section(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, file: BinaryIO, part: _Part) -> None:
        self._file, self._part, self._position = file, part, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def __len__(self) -> int:
        return self._part.size_bytes  # by which requests knows how much it sends

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._part.size_bytes - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        found = os.pread(self._file.fileno(), wanted, self._part.offset + self._position)
        self._position += len(found)
        return found


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout whose every byte was verified: what its index says, and where its blobs are."""

    path: Path
    index: bytes
    parts: Mapping[str, _Part]

    def size_bytes(self, digest: str) -> int:
        """Return the size of a blob."""
        return self.parts[digest].size_bytes

    @contextmanager
    def stream(self, digest: str) -> Iterator[BinaryIO]:
        """Open a blob."""
        with self.path.open("rb") as file:
            yield _Section(file, self.parts[digest])  # type: ignore[misc]

    def text(self, digest: str, *, most_bytes: int = _MOST_TEXT_BYTES) -> bytes:
        """Read a small blob."""
        if self.size_bytes(digest) > most_bytes:
            raise Altered(f"{blob_path(digest)} is larger than {most_bytes} bytes", AGAIN, where=str(self.path))
        with self.stream(digest) as file:
            return file.read()


def read_layout(path: Path, on_progress: Progress) -> Layout:
    """Read a layout as `write_layout` writes it: every header, blob and byte between them is verified.

    Raises Altered (a UsageError), naming the entry, for anything else; UsageError if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _Reading(file, path, on_progress).layout()
    except OSError as error:
        raise UsageError(
            f"cannot read the bundle {path}: {error.strerror}", "name another one, or: nodeprov bundle FILE"
        ) from None


class _Reading:
    """One reading, which ends at the first fault."""

    def __init__(self, file: BinaryIO, path: Path, on_progress: Progress) -> None:
        self._file, self._path, self._on_progress = file, path, on_progress
        self._total = os.fstat(file.fileno()).st_size
        self._before = ""

    def layout(self) -> Layout:
        version = self._small(LAYOUT)
        self._insist(is_so=version == VERSION, said=f"{LAYOUT} is not that of an OCI image layout 1.0.0")
        index = self._small(INDEX)
        return Layout(self._path, index, dict(self._blobs()))

    def _small(self, expected: str) -> bytes:
        name, size_bytes = self._head() or ("nothing", 0)
        self._insist(
            is_so=name == expected and size_bytes <= _MOST_TEXT_BYTES,
            said=f"it is not a bundle: {name} is in the place of {expected}",
        )
        content = self._file.read(size_bytes)
        self._insist(is_so=len(content) == size_bytes, said=f"it ends within {name}")
        self._padding(name, size_bytes)
        return content

    def _blobs(self) -> Iterator[tuple[str, _Part]]:
        for _ in range(_MOST_ENTRIES):
            if (head := self._head()) is None:
                return
            name, size_bytes = head
            match = _BLOB.fullmatch(name)
            self._insist(is_so=match is not None, said=f"{name} is in it, and is not a blob")
            self._insist(is_so=name > self._before, said=f"{name} is in it twice, or not in its place")
            self._before, part = name, _Part(self._file.tell(), size_bytes)
            digest = self._digest(name, size_bytes)
            expected = match[1] if match else ""
            self._insist(is_so=digest == expected, said=f"{name} has the sha256 {digest}")
            self._padding(name, size_bytes)
            yield digest, part
        self._insist(is_so=False, said=f"it has more than {_MOST_ENTRIES} blobs")

    def _digest(self, name: str, size_bytes: int) -> str:
        found, left = hashlib.sha256(), size_bytes
        while left and (chunk := self._file.read(min(_CHUNK_BYTES, left))):
            found.update(chunk)
            left -= len(chunk)
            self._on_progress(f"verifying {self._path.name}", self._file.tell(), self._total)
        self._insist(is_so=not left, said=f"it ends within {name}")
        return found.hexdigest()

    def _head(self) -> tuple[str, int] | None:
        """Read a header: a name and a size; None at the end of the tar, which must be that of the file."""
        header = self._file.read(_BLOCK)
        if header == bytes(_BLOCK):
            rest = self._file.read(_BLOCK + 1)
            self._insist(is_so=rest == bytes(_BLOCK), said="something else than the end of a tar is at its end")
            return None
        ends = f"it ends behind {self._before}" if self._before else "it is not a bundle, or ends at its beginning"
        self._insist(is_so=len(header) == _BLOCK, said=ends)
        name = header[:100].rstrip(b"\0").decode("ascii", "backslashreplace")
        try:
            size_bytes = int(header[124:135], 8)
            is_so = size_bytes >= 0 and _header(name, size_bytes) == header
        except ValueError:
            is_so = False
        said = f"the header of {name!r} is not as it is written"
        is_begun = self._file.tell() > _BLOCK or name == LAYOUT
        self._insist(is_so=is_so, said=said if is_begun else "it is not a bundle: its beginning is another")
        return name, size_bytes

    def _padding(self, name: str, size_bytes: int) -> None:
        width = -size_bytes % _BLOCK
        found = self._file.read(width)
        self._insist(is_so=len(found) == width, said=f"it ends behind {name}")
        self._insist(is_so=found == bytes(width), said=f"what follows {name} is not empty")

    def _insist(self, *, is_so: bool, said: str) -> None:
        if not is_so:
            raise Altered(said, AGAIN, where=str(self._path))
