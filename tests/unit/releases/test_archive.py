"""Archives as upstream makes them, and as somebody who wishes us ill would."""

from __future__ import annotations

import bz2
import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from nodeprov.errors import NodeprovError
from nodeprov.releases.archive import ArchiveLimits, unpack
from tests.adversaries.hostile_archives import HOSTILE
from tests.adversaries.hostile_archives import LIMITS as SMALL
from tests.support.release_server import member, tar, tar_of, tree, zstd

FILES = tree("20260905.0")
LIMITS = ArchiveLimits()


def unpacked(
    archive: bytes, folder: Path, *, limits: ArchiveLimits = LIMITS, name: str = "gvisor.tar.zstd"
) -> Path:
    (folder / name).write_bytes(archive)
    return unpack(folder / name, folder / "tree", software="gVisor", on_progress=lambda *_: None, limits=limits)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("gvisor.tar.zstd", zstd(tar_of(FILES))),
        ("gvisor.tar.bz2", bz2.compress(tar_of(FILES))),
        ("gvisor.tar.zstd", zstd(tar_of(FILES)[:5000]) + zstd(tar_of(FILES)[5000:])),
        ("gvisor.tar.bz2", bz2.compress(tar_of(FILES)[:5000]) + bz2.compress(tar_of(FILES)[5000:])),
        ("gvisor.tar.zstd", zstd(tar_of(FILES, "./"))),
        ("gvisor.tar.zstd", zstd(tar([(member("./", tarfile.DIRTYPE), b"")])[:512] + tar_of(FILES, "./"))),
        ("gvisor.tar.bz2", bz2.compress(tar_of(FILES, "gvisor-20260905.0/"))),
    ],
    ids=["zstd", "bz2", "two-frames", "two-streams", "dot", "dot-folder", "leading-folder"],
)
def test_an_archive_gives_its_files(tmp_path: Path, name: str, archive: bytes) -> None:
    assert files_in(unpacked(archive, tmp_path, name=name)) == FILES


def test_owners_and_modes_in_the_archive_do_not_count(tmp_path: Path) -> None:
    info = member("runsc", size=3)
    info.mode, info.uid, info.gid = 0o1777, 12345, 12345
    folder = unpacked(zstd(tar([(info, b"abc"), (member("other"), b"")])), tmp_path)
    status = (folder / "runsc").stat()
    assert (status.st_mode & 0o7000, status.st_uid) == (0, os.getuid())


def test_what_lay_in_the_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "old").touch()
    assert files_in(unpacked(zstd(tar_of(FILES)), tmp_path)) == FILES


def test_the_progress_is_told_in_compressed_bytes(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    archive = tmp_path / "gvisor.tar.bz2"
    archive.write_bytes(bz2.compress(tar_of(FILES)))
    unpack(archive, tmp_path / "tree", software="gVisor", on_progress=lambda *step: told.append(step))
    size = archive.stat().st_size
    assert told[-1] == ("unpacking gvisor.tar.bz2", size, size)


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_is_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with pytest.raises(NodeprovError) as caught:
        unpacked(zstd(tar(members)), tmp_path, limits=SMALL)
    assert caught.value.where == "gvisor.tar.zstd"
    assert "damaged" not in caught.value.message
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["gvisor.tar.zstd"]


def test_a_negative_size_is_refused(tmp_path: Path) -> None:
    header = bytearray(tar([(member("runsc"), b"")])[:512])
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with pytest.raises(NodeprovError):
        unpacked(zstd(bytes(header) + bytes(1024)), tmp_path)


def test_a_header_that_swells_is_not_read_to_its_end(tmp_path: Path) -> None:
    info = member("runsc")
    info.pax_headers = {"comment": "x" * (64 << 20)}
    with pytest.raises(NodeprovError, match="first header is larger"):
        unpacked(zstd(tar([(info, b"")])), tmp_path)


def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path: Path) -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    bomb = io.BytesIO()
    bomb.write(compressor.compress(member("runsc", size=1 << 30).tobuf()))
    for _ in range(256):
        bomb.write(compressor.compress(bytes(1 << 20)))
    bomb.write(compressor.flush())
    with pytest.raises(NodeprovError, match="holds more than"):
        unpacked(bomb.getvalue(), tmp_path, limits=ArchiveLimits(total_bytes=100 << 20))
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("gvisor.tar.zstd", b"<?xml version='1.0'?>"),
        ("gvisor.tar.bz2", b"<?xml version='1.0'?>"),
        ("gvisor.tar.zstd", zstd(os.urandom(100_000))),
        ("gvisor.tar.zstd", zstd(tar_of({"runsc": os.urandom(100_000)}))[:50_000]),
        ("gvisor.tar.bz2", bz2.compress(tar_of({"runsc": os.urandom(100_000)}))[:50_000]),
        ("gvisor.tar.bz2", b""),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str, archive: bytes) -> None:
    with pytest.raises(NodeprovError, match="damaged") as caught:
        unpacked(archive, tmp_path, name=name)
    assert caught.value.where == name
