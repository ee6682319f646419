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
from nodeprov.releases.archive import Limits, unpack
from nodeprov.releases.programs import check_programs, named_releases
from tests.adversaries.hostile_archives import HOSTILE
from tests.adversaries.hostile_archives import LIMITS as SMALL
from tests.support.release_server import member, program, tar, tar_of, tree, zstd

FILES = tree("20260905.0")
LIMITS = Limits()


def unpacked(archive: bytes, folder: Path, *, limits: Limits = LIMITS, name: str = "gvisor.tar.zstd") -> Path:
    (folder / name).write_bytes(archive)
    return unpack(folder / name, folder / "tree", on_progress=lambda *_: None, limits=limits)


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
    unpack(archive, tmp_path / "tree", on_progress=lambda *step: told.append(step))
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
        unpacked(bomb.getvalue(), tmp_path, limits=Limits(total_bytes=100 << 20))
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


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_programs_for_the_node_pass(tmp_path: Path) -> None:
    check_programs(lay(tmp_path, FILES), "x86_64")


def test_an_ebpf_object_beside_the_programs_passes(tmp_path: Path) -> None:
    check_programs(lay(tmp_path, FILES | {"gvisor-bin/filter.o": program("riscv64", kind=1)}), "x86_64")


BIG_ENDIAN = program()[:5] + b"\x02" + program()[6:16] + b"\x00\x02" + program()[18:]

UNFIT = [
    ({"runsc": program("aarch64")}, "runsc is for aarch64, the node is x86_64"),
    ({"runsc": program("riscv64")}, "runsc is for another processor (ELF machine 243), the node is x86_64"),
    ({"runsc": b"<?xml\nversion"}, "runsc is not an ELF program (it begins with `<?xml`)"),
    ({"runsc": b"\xff\xfe"}, "runsc is not an ELF program (it begins with `\\xff\\xfe`)"),
    ({"runsc": b""}, "runsc is not an ELF program (it is empty)"),
    ({"runsc": program()[:18]}, "runsc is not an ELF program (it begins with `\x7fELF"),
    ({"runsc": program(kind=1)}, "runsc is not an ELF program"),
    ({"containerd-shim-runsc-v1": b"#!/bin/sh"}, "containerd-shim-runsc-v1 is not an ELF program"),
    ({"runsc": program()[:4] + b"\x01" + program()[5:]}, "runsc is not a 64-bit little-endian program"),
    ({"runsc": BIG_ENDIAN}, "runsc is not a 64-bit little-endian program"),
    ({"gvisor-bin/gvisor_sentry": program("aarch64")}, "gvisor-bin/gvisor_sentry is for aarch64"),
]


@pytest.mark.parametrize(("files", "message"), UNFIT)
def test_a_program_that_cannot_run_on_the_node_is_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(NodeprovError) as caught:
        check_programs(lay(tmp_path, FILES | files), "x86_64")
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("name", ["runsc", "containerd-shim-runsc-v1"])
def test_a_release_without_its_programs_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NodeprovError, match=f"no {name}"):
        check_programs(lay(tmp_path, {path: content for path, content in FILES.items() if path != name}), "x86_64")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"", set()),
        (b"VERSION_MISSING", set()),
        (b"..release-20260905.0\0..", {"20260905.0"}),
        (b'release-20260905.10\0 -X version=release-20260905.10"\n', {"20260905.10"}),
        (b"release-20260907.0-13-g5ae639aced11\0", set()),
        (b"release-20260907.12-13-g5ae639aced11\0", set()),
        (b"release-2026090", set()),
        (b"release-20260905.0 and release-20260518.0", {"20260905.0", "20260518.0"}),
    ],
)
def test_a_program_names_the_releases_it_was_built_from(tmp_path: Path, text: bytes, named: set[str]) -> None:
    (tmp_path / "runsc").write_bytes(text)
    assert named_releases(tmp_path / "runsc") == named
