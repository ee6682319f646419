"""What a Debian package holds: its files and their digests, read without unpacking it."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

import zstandard

from nodeprov.errors import NodeprovError
from nodeprov.releases.archive import ArchiveLimits
from nodeprov.releases.container_image import Member

_USUAL = ArchiveLimits()
_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_CHUNK_BYTES = 1 << 20
_DAMAGED = (OSError, EOFError, ValueError, tarfile.TarError, lzma.LZMAError, zlib.error, zstandard.ZstdError)

Measured = tuple[int, str]
"""A file's size in bytes and its SHA-512 digest in hex."""


def _zstd(stream: BinaryIO) -> IO[bytes]:
    return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)


_OPENERS: Mapping[str, Callable[[BinaryIO], Any]] = {
    "": lambda stream: stream,
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream),
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".zst": _zstd,
}


def files_in(package: Path, *, limits: ArchiveLimits = _USUAL, where: str) -> dict[str, Measured]:
    """Measure every regular file of a package, by its path without a slash before it.

    A package is an ar archive of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5)); a signature of
    dpkg-sig is a member more.

    Raises:
        NodeprovError: it is no package, or holds more than the limits allow.
    """
    with _data(package, where) as data:
        return dict(_measured(data, limits))


def members_in(package: Path, wanted: Callable[[str], bool], *, where: str) -> dict[str, Member]:
    """Read files and links of a package, those whose path is wanted, by their paths without a slash before them.

    Raises:
        NodeprovError: it is no package, or what is wanted is something else, such as a device.
    """
    found: dict[str, Member] = {}
    with _data(package, where) as data:
        for member in data:
            name = PurePosixPath("/", member.name).as_posix().lstrip("/")
            if member.isdir() or not wanted(name):
                continue
            content = data.extractfile(member) if member.isreg() else None
            if content is not None:
                found[name] = Member(content.read(), member.mode & 0o755)
            elif member.issym():
                found[name] = Member(target=member.linkname)
            else:
                raise ValueError(f"{name} is neither a file nor a link")
    return found


@contextmanager
def _data(package: Path, where: str) -> Iterator[tarfile.TarFile]:
    try:
        with package.open("rb") as stream:
            name, part = _data_of(stream)
            opener = _OPENERS[name.removeprefix("data.tar")]
            with tarfile.open(fileobj=opener(part), mode="r|", bufsize=_CHUNK_BYTES) as data:
                yield data
    except (*_DAMAGED, LookupError, ArithmeticError, TypeError, AttributeError) as error:
        raise NodeprovError(
            f"this is no Debian package: {error}", "do not trust this origin", where=where
        ) from None


class _Part(io.RawIOBase):
    """The next bytes of a stream: decompressors would read on into what stands behind them in the package."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(min(len(buffer), self._left))
        self._left -= len(content)
        buffer[: len(content)] = content
        return len(content)


def _data_of(stream: BinaryIO) -> tuple[str, BinaryIO]:
    """Find the data's tar archive: its name, and its bytes."""
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as one")
    while len(header := stream.read(_HEADER_BYTES)) == _HEADER_BYTES:
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if header[58:] != b"`\n" or size < 0:
            raise ValueError("a header in it is damaged")
        if name.startswith("data.tar"):
            return name, io.BufferedReader(_Part(stream, size), _CHUNK_BYTES)
        stream.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError("it has no data")


def _measured(data: tarfile.TarFile, limits: ArchiveLimits) -> Iterator[tuple[str, Measured]]:
    total_bytes = 0
    seen: set[str] = set()
    for count, member in enumerate(data, start=1):
        total_bytes += member.size
        if count > limits.members or total_bytes > limits.total_bytes:
            raise ValueError(f"it holds more than {limits.members} members, or than {limits.total_bytes} bytes")
        name = PurePosixPath("/", member.name).as_posix().lstrip("/")
        if name in seen:
            raise ValueError(f"{name} is in it twice")
        seen.add(name)
        content = data.extractfile(member) if member.isreg() else None
        if content is not None:
            yield name, (member.size, hashlib.file_digest(content, "sha512").hexdigest())  # type: ignore[arg-type]
