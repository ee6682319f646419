"""A layer of an image as it is written: a .tar.zst without times and owners, the same bytes for the same files."""

import hashlib
import tarfile
from pathlib import Path
from typing import BinaryIO

import zstandard

from nodeprov.releases.cache import PROGRAM_MODE

LEVEL = 2
"""A fifth less work than for 3, which `zstd` has when none is given; the file is 4 % larger."""
SMALL, SMALLEST = 9, 19
"""For what nodes pull. Of a release the first takes a twentieth of the second's work, for 14 % more bytes."""
_THREADS = 2
"""The bytes are the same for any number of threads but none (zstd.h, ZSTD_c_nbWorkers): on one processor too."""
_CHUNK_BYTES = 1 << 20


def compression(level: int) -> str:
    """Say how a layer is compressed: another zstd may give other bytes."""
    return f"zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}, level {level}"


class LayerWriter:
    """A layer that is being written."""

    def __init__(self, target: BinaryIO, level: int = LEVEL) -> None:
        self._target, self._packed, self._plain = target, hashlib.sha256(), hashlib.sha256()
        parameters = zstandard.ZstdCompressionParameters.from_level(level, threads=_THREADS, write_checksum=True)
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add a folder."""
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._write(entry.tobuf(tarfile.USTAR_FORMAT))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
        self._write(entry.tobuf(tarfile.USTAR_FORMAT))

    def content(self, name: str, content: bytes, mode: int) -> None:
        """Add a file of these bytes."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        self._write(entry.tobuf(tarfile.USTAR_FORMAT))
        self._write(content)
        self._write(bytes(-len(content) % tarfile.BLOCKSIZE))

    def file(self, name: str, path: Path, size_bytes: int) -> str:
        """Add a program of this size; return its SHA-512 digest in hex."""
        entry, found, left = tarfile.TarInfo(name), hashlib.sha512(), size_bytes
        entry.size, entry.mode = size_bytes, PROGRAM_MODE
        self._write(entry.tobuf(tarfile.USTAR_FORMAT))
        with path.open("rb") as file:
            while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
                found.update(chunk)
                self._write(chunk)
                left -= len(chunk)
            found.update(file.read(1))  # there must be none
        self._write(bytes(left + -size_bytes % tarfile.BLOCKSIZE))
        return found.hexdigest()

    def end(self) -> tuple[str, str]:
        """Return the digests of what was written, and of what it was before it was compressed."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._keep(self._compressor.flush())
        return self._packed.hexdigest(), self._plain.hexdigest()

    def _write(self, content: bytes) -> None:
        self._plain.update(content)
        self._keep(self._compressor.compress(content))

    def _keep(self, packed: bytes) -> None:
        self._packed.update(packed)
        self._target.write(packed)
