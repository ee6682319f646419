"""A layer as it is written: what a tar program reads of it, and digests of both of its forms."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import zstandard

from nodeprov.releases.layers import SMALLEST, LayerWriter, compression


def test_each_kind_of_member_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"odd" * 777)
    target = io.BytesIO()
    writing = LayerWriter(target, SMALLEST)
    writing.folder("a")
    writing.content("a/text", b"some", 0o640)
    writing.link("a/link", "text")
    assert writing.file("a/program", tmp_path / "program", 2331) == hashlib.sha512(b"odd" * 777).hexdigest()
    packed, plain = writing.end()
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(target.getvalue())).read()
    assert packed == hashlib.sha256(target.getvalue()).hexdigest()
    assert plain == hashlib.sha256(content).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert [(each.name, each.type, each.mode) for each in tar] == [
            ("a", tarfile.DIRTYPE, 0o755),
            ("a/text", tarfile.REGTYPE, 0o640),
            ("a/link", tarfile.SYMTYPE, 0o777),
            ("a/program", tarfile.REGTYPE, 0o755),
        ]
        assert tar.getmember("a/link").linkname == "text"


def test_a_file_that_has_grown_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"longer")
    assert LayerWriter(io.BytesIO()).file("x", tmp_path / "program", 4) != hashlib.sha512(b"long").hexdigest()


def test_it_is_said_how_a_layer_is_compressed() -> None:
    assert compression(19).startswith("zstd 1.")
    assert compression(19).endswith(", level 19")
