from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from nodeprov.errors import UsageError
from nodeprov.releases.layout_tar import Altered, blob_path, read_layout, write_layout
from nodeprov.releases.oci import sha256

BLOBS = {sha256(content): content for content in (b"one", b"", b"2" * 600)}


def written(index: bytes = b"{}") -> bytes:
    target = io.BytesIO()
    write_layout(target, index, BLOBS)
    return target.getvalue()


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(Altered) as caught:
        read_layout(path, lambda *_: None)
    assert "nodeprov bundle FILE" in caught.value.hint
    assert caught.value.where == str(path)
    return caught.value.message


def test_what_is_written_is_a_tar_in_a_fixed_order_without_times_and_owners(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"2" * 600)
    target = io.BytesIO()
    blobs = {digest: tmp_path / "blob" if len(content) == 600 else content for digest, content in BLOBS.items()}
    write_layout(target, b"{}", dict(reversed(blobs.items())))
    assert target.getvalue() == written()
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as tar:
        names = tar.getnames()
        assert {(each.mtime, each.uid, each.gid, each.uname, each.mode) for each in tar} == {(0, 0, 0, "", 0o644)}
    assert names == ["oci-layout", "index.json", *sorted(blob_path(each) for each in BLOBS)]


def test_what_was_written_is_read_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(written())
    layout = read_layout(path, lambda *_: None)
    assert layout.index == b"{}"
    assert {each: layout.text(each) for each in layout.parts} == BLOBS
    with layout.stream(sha256(b"2" * 600)) as blob:
        assert (blob.read(5), blob.tell(), len(blob.read()), blob.read(1)) == (b"22222", 5, 595, b"")
    with pytest.raises(Altered, match="is larger than 100 bytes"):
        layout.text(sha256(b"2" * 600), most_bytes=100)


def test_each_single_byte_counts(tmp_path: Path) -> None:
    """All but those of index.json: whoever reads that looks at its digest."""
    content, path = written(), tmp_path / "bundle.tar"
    at = content.index(b"{}", 1024)
    said = set()
    for position in range(len(content)):
        if position not in (at, at + 1):
            said.add(refusal(path, content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]))
    assert len(said) > 10


def test_it_must_end_where_it_ends(tmp_path: Path) -> None:
    content, path = written(), tmp_path / "bundle.tar"
    for size in range(0, len(content), 64):
        assert refusal(path, content[:size])
    assert "at its end" in refusal(path, content + b"\0")
    assert "at its end" in refusal(path, content[:-1])


def test_anything_else_is_named(tmp_path: Path) -> None:
    content, path = written(), tmp_path / "bundle.tar"
    first = blob_path(min(BLOBS))
    start = content.index(first.encode())
    block = content[start : start + 512]
    whole = content[start : start + 512 + -(-len(BLOBS[min(BLOBS)]) // 512) * 512]
    assert f"{first} is in it twice" in refusal(path, content[:start] + whole + content[start:])
    assert "it is not a bundle" in refusal(path, b"[release]\n" * 100)
    assert refusal(path, b"") == "it is not a bundle, or ends at its beginning"
    other = io.BytesIO()
    with tarfile.open(fileobj=other, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("../x"))
    assert "../x is in it, and is not a blob" in refusal(
        path, content[:start] + other.getvalue()[:512] + content[start:]
    )
    link = block[:156] + b"2" + block[157:]
    assert f"the header of '{first}' is not as it is written" in refusal(path, content.replace(block, link))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the bundle"):
        read_layout(tmp_path / "none", lambda *_: None)
