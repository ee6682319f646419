from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard

from nodeprov.errors import NodeprovError
from nodeprov.releases.archive import ArchiveLimits
from nodeprov.releases.container_image import Member
from nodeprov.releases.deb import files_in, members_in
from nodeprov_lab.apt_suite import package
from tests.support.debian_folder import ar
from tests.support.release_server import sha512, tar_of

USUAL = ArchiveLimits()
FILES = {"runsc": b"odd", "gvisor-bin/sentry": b"sentry"}
EXPECTED = {f"usr/bin/{name}": (len(content), sha512(content)) for name, content in FILES.items()}


def written(folder: Path, content: bytes) -> Path:
    (folder / "x.deb").write_bytes(content)
    return folder / "x.deb"


def refusal(folder: Path, content: bytes, limits: ArchiveLimits = USUAL) -> NodeprovError:
    with pytest.raises(NodeprovError, match="no Debian package") as caught:
        files_in(written(folder, content), limits=limits, where="https://mirror/x.deb")
    return caught.value


def test_each_file_is_measured_also_where_a_signature_follows(tmp_path: Path) -> None:
    assert files_in(written(tmp_path, package("runsc", "1", "amd64", FILES)), where="x") == EXPECTED


@pytest.mark.parametrize(
    ("name", "compress"),
    [("data.tar", bytes), ("data.tar.xz", lzma.compress), ("data.tar.zst", zstandard.ZstdCompressor().compress)],
)
def test_every_compression_of_dpkg_is_read(tmp_path: Path, name: str, compress: object) -> None:
    data = compress(tar_of({f"./usr/bin/{name}": content for name, content in FILES.items()}))  # type: ignore[operator]
    content = ar({"debian-binary": b"2.0\n", "control.tar": b"odd", name: data, "_gpgorigin": b"x"})
    assert files_in(written(tmp_path, content), where="x") == EXPECTED


def test_links_and_folders_are_no_files(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for kind, name in ((tarfile.DIRTYPE, "./usr"), (tarfile.SYMTYPE, "./usr/link")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "elsewhere"
            tar.addfile(info)
    assert files_in(written(tmp_path, ar({"data.tar": out.getvalue()})), where="x") == {}


WHOLE = package("runsc", "1", "amd64", FILES)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"!<arch>\n",
        WHOLE[:200],
        WHOLE.replace(b"data.tar.gz", b"data.tar.??"),
        ar({"data.tar.gz": b"no gzip"}),
        ar({"control.tar": b""}),
        ar({"data.tar": b"x"}).replace(b"100644  1 ", b"100644  -1"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    refusal(tmp_path, content)


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    twice = io.BytesIO()
    with tarfile.open(fileobj=twice, mode="w") as tar:
        for name in ("./usr/bin/runsc", "usr/bin/runsc"):
            tar.addfile(tarfile.TarInfo(name))
    assert "twice" in refusal(tmp_path, ar({"data.tar": twice.getvalue()})).message


def test_a_package_that_holds_too_much_is_refused(tmp_path: Path) -> None:
    assert "more than 1 members" in refusal(tmp_path, WHOLE, ArchiveLimits(members=1)).message
    assert "8 bytes" in refusal(tmp_path, WHOLE, ArchiveLimits(total_bytes=8)).message


def test_files_and_links_that_are_wanted_are_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for kind, name, target in ((tarfile.DIRTYPE, "./usr", ""), (tarfile.SYMTYPE, "./usr/link", "tool")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
        for name, mode in (("./usr/tool", 0o4755), ("./usr/doc", 0o644)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = 3, mode
            tar.addfile(info, io.BytesIO(b"odd"))
    path = written(tmp_path, ar({"data.tar": out.getvalue()}))
    found = members_in(path, lambda name: name != "usr/doc", where="x")
    assert found == {"usr/link": Member(target="tool"), "usr/tool": Member(b"odd", 0o755)}


def test_a_device_in_a_package_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("./dev/sda")
        info.type = tarfile.BLKTYPE
        tar.addfile(info)
    path = written(tmp_path, ar({"data.tar": out.getvalue()}))
    with pytest.raises(NodeprovError, match="dev/sda is neither a file nor a link"):
        members_in(path, lambda _: True, where="x")
