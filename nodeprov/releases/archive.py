"""Unpack a release's archive, trusting nothing in it but its bytes."""

import bz2
import io
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

import zstandard

from nodeprov.errors import NodeprovError
from nodeprov.releases.pace import Progress

_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 1 << 20  # more than any honest member has; tarfile reads as much ahead
_NAME_CHARACTERS = 200
_FILE_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a fifo",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
# What tarfile's own parser stumbles over, in numbers, sparse maps and chains of headers.
_OF_TARFILE = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may hold, unpacked; real ones have about 10 members and 330 MB."""

    members: int = 1000
    total_bytes: int = 2 << 30


class _Refused(Exception):
    """Why an archive is not unpacked."""


class _Bounded(io.BufferedIOBase):
    """A stream of unpacked bytes that must not be read beyond a position that moves with the members."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._position = 0
        self.bound = 2 * _HEADER_BYTES
        self.next = "its first header"

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = self._stream.read(size if size is not None else -1)
        self._position += len(chunk)
        if self._position > self.bound:
            raise _Refused(f"{self.next} is larger than 1 MiB")
        return chunk


def unpack(
    archive: Path,
    folder: Path,
    *,
    software: str,
    on_progress: Progress,
    limits: ArchiveLimits = ArchiveLimits(),
    where: str = "",
) -> Path:
    """Unpack a .tar.zstd or .tar.bz2 of regular files into a new folder.

    Links, devices, setuid bits, paths that leave the folder, duplicates and bombs are refused, and nothing of
    such an archive stays; owners, other modes and times in it are ignored. A single folder around everything,
    as copies on GitHub may have, is left out.

    Args:
        archive: the file; its name shows the compression.
        folder: where to; what lies there is removed.
        software: whose release it is, for messages.
        on_progress: called with the compressed bytes read so far, as "unpacking NAME".
        limits: how much may come out.
        where: what to call the archive in a message; its name if that is not given.

    Returns:
        The folder that holds the release: `folder`, or the single folder in it.

    Raises:
        NodeprovError: the archive is damaged or hostile.
        OSError: the disk is full.
    """
    size, name = archive.stat().st_size, archive.name
    hint = f"this is not an archive of {software}'s: look at base_url, and do not install it"
    with archive.open("rb") as compressed, _explain_damage(where or name, folder, hint):
        content = bz2.BZ2File(compressed) if name.endswith(".bz2") else _decompressed(compressed)
        for _ in _extract(content, folder, limits, software):
            on_progress(f"unpacking {name}", compressed.tell(), size)
    children = list(folder.iterdir())
    return children[0] if len(children) == 1 and children[0].is_dir() else folder


def unpack_layer(
    layer: BinaryIO,
    folder: Path,
    *,
    software: str,
    on_progress: Callable[[int], None],
    where: str,
    hint: str,
    limits: ArchiveLimits = ArchiveLimits(),
) -> None:
    """Unpack a .tar.zst as `unpack` does, out of a stream that knows its position; nothing is left out of it.

    Raises:
        NodeprovError: it is damaged or hostile; with `where` and `hint`.
        OSError: the disk is full.
    """
    with _explain_damage(where, folder, hint):
        for _ in _extract(_decompressed(layer), folder, limits, software):
            on_progress(layer.tell())


def _decompressed(compressed: BinaryIO) -> IO[bytes]:
    # Frames follow one another where several threads compressed.
    return zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True)


@contextmanager
def _explain_damage(where: str, folder: Path, hint: str) -> Iterator[None]:
    """Turn what is wrong with an archive into an error, and remove what was unpacked into the new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    except (_Refused, OSError, tarfile.TarError, zstandard.ZstdError, EOFError, *_OF_TARFILE) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not bz2's
            raise
        shutil.rmtree(folder)
        message = str(error) if isinstance(error, _Refused) else f"the archive is damaged: {error}"
        raise NodeprovError(message, hint, where=where) from error


def _extract(stream: IO[bytes], folder: Path, limits: ArchiveLimits, software: str) -> Iterator[None]:
    """Write member by member; yield after each chunk."""
    content = _Bounded(stream)
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    total_bytes = 0
    with tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK_BYTES) as members:
        for count, member in enumerate(members, start=1):
            path = _path_of(member, software)
            total_bytes += member.size
            if count > limits.members:
                raise _Refused(f"with {path} it holds more than {limits.members} members")
            if member.size < 0:
                raise _Refused(f"{path} has a size below 0")
            if total_bytes > limits.total_bytes:
                raise _Refused(f"with {path} it holds more than {limits.total_bytes} bytes, unpacked")
            content.bound = member.offset_data + member.size + 2 * _HEADER_BYTES
            content.next = f"a header behind {path}"
            if path in files:
                raise _Refused(f"{path} is in it twice, and a release has each file once")
            (files if member.isfile() else folders).add(path)
            folders.update(path.parents)
            if files & folders:
                raise _Refused(f"{path} makes a file a folder")
            if member.isfile():
                yield from _write(members, member, folder / path)


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> Iterator[None]:
    content = members.extractfile(member)
    if content is None:
        raise _Refused(f"{member.name} has no content")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("xb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)
            yield


# tarfile's own filter ("data") would not do: Debian 12's Python 3.11.2 has none, and where there is one it makes
# something harmless of absolute paths, setuid bits and links within the folder, which are to be refused.
def _path_of(member: tarfile.TarInfo, software: str) -> PurePosixPath:
    name = repr(member.name[:_NAME_CHARACTERS])
    if member.type not in (*_FILE_TYPES, tarfile.DIRTYPE):
        kind = _KINDS.get(member.type, "of an unknown kind")
        raise _Refused(f"{name} is {kind}, and a release has only files and folders")
    if member.issparse():
        raise _Refused(f"{name} is a sparse file, and a release has only whole ones")
    if member.mode & (stat.S_ISUID | stat.S_ISGID):
        raise _Refused(f"{name} has a setuid or setgid bit, which no file of {software}'s has")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise _Refused(f"{name} is outside of the release")
    # The node lists its files in lines, and sha256sum escapes a backslash.
    is_plain = member.name.isascii() and member.name.isprintable() and "\\" not in member.name
    if not is_plain or len(member.name) > _NAME_CHARACTERS or (member.isfile() and not path.parts):
        expected = f"up to {_NAME_CHARACTERS} printable ASCII characters, no backslash"
        raise _Refused(f"{name} is not a valid file name: {expected}")
    return path
