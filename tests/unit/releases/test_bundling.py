from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard

from nodeprov.errors import NodeprovError
from nodeprov.releases.bundling import Contents, Image, write_bundle
from nodeprov.releases.lock_text import to_text
from nodeprov.releases.locking import Evidence, make_lock
from nodeprov.releases.obtain import obtain
from tests.support.bundles import below, manifest, opened
from tests.support.obtaining import OLD, VERSION, source_at
from tests.support.release_server import ReleaseServer, tree

BOTH = ("x86_64", "aarch64")


def contents(server: ReleaseServer, cache: Path, version: str = VERSION, *wheels: Path) -> Contents:
    source = source_at(server, cache)
    names = BOTH if version == VERSION else BOTH[:1]
    lock = make_lock(source, version, names, Evidence(), "2026-11-28")
    proof = Image("localhost/proof", "1", {name: (name.encode(), b"layer") for name in names})
    return Contents(lock, to_text(lock), [obtain(source, version, each) for each in names], proof, wheels, "1.2")


def written(some: Contents, folder: Path) -> Path:
    folder.mkdir()
    path = folder / "bundle.tar"
    with path.open("wb") as file:
        write_bundle(some, file, folder, lambda *_: None)
    return path


def test_a_release_is_an_image_for_each_architecture(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    index = opened(written(contents(server, cache), tmp_path / "out"))
    assert [each["annotations"].get("io.containerd.image.name") for each in index["manifests"]] == [
        f"localhost/gvisor:{VERSION}",
        "localhost/proof:1",
        None,
    ]
    for name, architecture in (("amd64", "x86_64"), ("arm64", "aarch64")):
        [layer] = manifest(index, name)["layers"]
        plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(layer["content"])).read()
        config = json.loads(manifest(index, name)["config"]["content"])
        assert (config["architecture"], config["os"]) == (name, "linux")
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            found = {each.name: file.read() for each in tar if (file := tar.extractfile(each))}
            assert {(each.mtime, each.uid, each.uname, each.mode) for each in tar} == {(0, 0, "", 0o755)}
        assert found == tree(VERSION, architecture)


def test_the_lock_and_wheels_go_along_as_they_are(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "x-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    some = contents(server, cache, VERSION, wheel)
    index = opened(written(some, tmp_path / "out"))
    files = {
        each["annotations"]["org.opencontainers.image.title"]: each["content"]
        for described in index["manifests"][2:]
        for each in below(described["content"])[1:]
    }
    assert files == {"nodeprov.lock": some.lock_text.encode(), wheel.name: b"wheel"}


def test_the_same_contents_give_the_same_bytes(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    first = written(contents(server, cache), tmp_path / "first")
    again = written(contents(server, tmp_path / "another cache"), tmp_path / "again")
    assert first.read_bytes() == again.read_bytes()
    assert opened(first)["annotations"]["io.nodeprov.compression"].startswith("zstd 1.")


def test_loose_programs_are_packed_too(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    index = opened(written(contents(server, cache, OLD), tmp_path / "out"))
    assert len(index["manifests"][0]["content"]["manifests"]) == 1


def test_a_file_that_is_not_the_locked_one_is_not_packed(
    server: ReleaseServer, cache: Path, tmp_path: Path
) -> None:
    some = contents(server, cache)
    path = some.releases[0].folder / "runsc"
    before = path.read_bytes()
    for number, content in enumerate((before + b"\0", before[:-1] + b"x", b"")):
        path.write_bytes(content)
        with pytest.raises(NodeprovError, match="it has the sha512"):
            written(some, tmp_path / f"out{number}")
