from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases import oci
from nodeprov.releases.bundle import Bundle, is_bundle, read_bundle
from nodeprov.releases.bundling import LOCK_TEXT, Contents, Image, write_bundle
from nodeprov.releases.cache_contents import contents as cached
from nodeprov.releases.lock_text import to_text
from nodeprov.releases.locking import Evidence, make_lock
from nodeprov.releases.obtain import obtain
from nodeprov.runtimes import SOFTWARE
from tests.adversaries.hostile_archives import HOSTILE
from tests.support.bundles import entries, forged, manifest, with_layer
from tests.support.obtaining import VERSION, contents, get, source_at
from tests.support.release_server import ReleaseServer, program, tar, tar_of, tree, zstd

RANDOM_CHANGES = 200
BOTH = ("x86_64", "aarch64")


@pytest.fixture
def path(server: ReleaseServer, tmp_path: Path) -> Path:
    source = source_at(server, tmp_path / "there")
    lock = make_lock(source, VERSION, BOTH, Evidence(), "2026-11-28")
    proof = Image("localhost/proof", "1", dict.fromkeys(BOTH, (b"{}", b"layer")))
    releases = [obtain(source, VERSION, each) for each in BOTH]
    path = tmp_path / "bundle.tar"
    with path.open("wb") as file:
        write_bundle(Contents(lock, to_text(lock), releases, proof, (), "1.2"), file, tmp_path, lambda *_: None)
    return path


def read(path: Path) -> Bundle:
    return read_bundle(path, SOFTWARE, lambda *_: None)


def unpacked(path: Path, server: ReleaseServer, cache: Path, architecture: str = "x86_64") -> None:
    found = read(path)
    found.into_cache(source_at(server, cache), architecture, found.lock.builds[architecture])


def files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file() and each.suffix != ".lock"]


def refusal(path: Path, server: ReleaseServer, cache: Path) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        unpacked(path, server, cache)
    assert caught.value.hint
    assert caught.value.where.startswith(str(path))
    assert files(cache) == []
    return caught.value


def test_a_release_is_in_the_cache_as_if_it_had_been_downloaded(
    path: Path, server: ReleaseServer, cache: Path
) -> None:
    for architecture in BOTH:
        unpacked(path, server, cache, architecture)
    server.requests.clear()
    for architecture in BOTH:
        release = get(server, cache, architecture=architecture)
        assert contents(release) == tree(VERSION, architecture)
        assert release.sha512.keys() == {"gvisor.tar.zstd"}
    assert server.requests == []
    assert {each.state for each in cached(cache)} == {"whole"}


def test_what_is_there_is_not_unpacked_again_and_what_is_damaged_is(
    path: Path, server: ReleaseServer, cache: Path
) -> None:
    unpacked(path, server, cache)
    [kept] = cached(cache)
    before = (kept.path / "tree" / "runsc").stat()
    unpacked(path, server, cache)
    assert (kept.path / "tree" / "runsc").stat() == before
    (kept.path / "tree" / "runsc").write_bytes(b"damaged")
    unpacked(path, server, cache)
    assert contents(get(server, cache)) == tree(VERSION)


def test_what_is_altered_in_any_byte_is_refused(path: Path, server: ReleaseServer, cache: Path) -> None:
    content, chance = path.read_bytes(), random.Random(20261128)
    for _ in range(RANDOM_CHANGES):
        changed, at = bytearray(content), chance.randrange(len(content))
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        refusal(path, server, cache)


def test_each_byte_of_the_index_counts(path: Path, server: ReleaseServer, cache: Path) -> None:
    content, index = path.read_bytes(), entries(path)["index.json"]
    start = content.index(index)
    for at in range(start, start + len(index)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert "index.json" in refusal(path, server, cache).message


def test_each_blob_counts_and_is_named(path: Path, server: ReleaseServer, cache: Path) -> None:
    content = path.read_bytes()
    for name, each in entries(path).items():
        at = content.index(each, content.index(name.encode()) + 512)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert name in refusal(path, server, cache).message


def test_a_bundle_that_is_cut_is_refused(path: Path, server: ReleaseServer, cache: Path) -> None:
    content = path.read_bytes()
    for size in (0, 511, 512, 1024, len(content) // 2, len(content) - 1024, len(content) - 1):
        path.write_bytes(content[:size])
        assert "end" in refusal(path, server, cache).message


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layer_is_refused(name: str, path: Path, server: ReleaseServer, cache: Path) -> None:
    forged(path, with_layer(zstd(tar(HOSTILE[name]))))
    error = refusal(path, server, cache)
    assert "blobs/sha256/" in error.where
    assert "do not install it" in error.hint or "nodeprov bundle" in error.hint


def test_a_layer_with_other_files_than_are_locked_is_refused(
    path: Path, server: ReleaseServer, cache: Path
) -> None:
    good = tree(VERSION)
    for files_of_it, said in (
        (good | {"runsc": program(text=b"evil")}, "runsc has the sha512"),
        (good | {"evil": b"x"}, "evil is in it, and not in the lock"),
        ({name: good[name] for name in good if name != "gvisor-bin/licenses.txt"}, "licenses.txt is missing"),
        ({f"folder/{name}": content for name, content in good.items()}, "is missing"),
    ):
        forged(path, with_layer(zstd(tar_of(files_of_it))))
        assert said in refusal(path, server, cache).message
    forged(path, with_layer(b"no zstd"))
    assert "damaged" in refusal(path, server, cache).message


def _second_layer(index: dict[str, Any]) -> None:
    layers = manifest(index)["layers"]
    layers.append({**layers[0], "content": zstd(tar_of({"x": b"x"}))})


def _other_platform(index: dict[str, Any]) -> None:
    index["manifests"][0]["content"]["manifests"][0]["platform"]["architecture"] = "riscv64"


def _swapped(index: dict[str, Any]) -> None:
    one, other = index["manifests"][0]["content"]["manifests"]
    one["platform"], other["platform"] = other["platform"], one["platform"]


def _without_lock(index: dict[str, Any]) -> None:
    index["manifests"] = [each for each in index["manifests"] if "artifactType" not in each]


def _damaged_lock(index: dict[str, Any]) -> None:
    [lock] = index["manifests"][2]["content"]["layers"]
    lock["content"] = lock["content"].replace(b"size_bytes = ", b"size_bytes = 1")


def _no_annotations(index: dict[str, Any]) -> None:
    index["manifests"][0]["annotations"] = ["x"]


def _config_of_another(index: dict[str, Any]) -> None:
    manifest(index)["config"]["content"] = oci.config("aarch64", "0" * 64)


def _twice_for_one_processor(index: dict[str, Any]) -> None:
    release = index["manifests"][0]["content"]
    release["manifests"].append(copy.deepcopy(release["manifests"][0]))


def _lock_of_another_kind(index: dict[str, Any]) -> None:
    index["manifests"][2] |= {"mediaType": "application/json", "content": b'{"layers": [5]}'}


def _lock_that_leads_out(index: dict[str, Any]) -> None:
    layer = {"mediaType": LOCK_TEXT, "digest": f"sha256:{'0' * 64}", "size": 1}
    text = json.dumps({"layers": [layer]}).encode()
    index["manifests"][2] |= {"mediaType": "application/json", "content": text}


def _release_of_another_kind(index: dict[str, Any]) -> None:
    each = {"platform": {"os": "linux", "architecture": "amd64"}, "digest": f"sha256:{'0' * 64}", "size": 1}
    text = json.dumps({"manifests": [each]}).encode()
    index["manifests"][0] |= {"mediaType": "application/json", "content": text}


def _kind_that_leads_to_another_repository(index: dict[str, Any]) -> None:
    index["manifests"][1]["annotations"]["io.nodeprov.kind"] = "x/../../../others/image/manifests/latest"


def _twice_of_a_kind(index: dict[str, Any]) -> None:
    index["manifests"][1]["annotations"]["io.nodeprov.kind"] = "lock"


def _version_that_leads_to_another_repository(index: dict[str, Any]) -> None:
    index["annotations"]["io.nodeprov.version"] = "1/../../others"


FORGED: dict[Callable[[dict[str, Any]], None], str] = {
    _second_layer: "has 2 layers, and should have one",
    _other_platform: "has a release for {'architecture': 'riscv64', 'os': 'linux'}",
    _swapped: "is not for",
    _without_lock: "index.json has 0 of artifactType",
    _damaged_lock: "sha256 is not that of the rest of the file",
    _no_annotations: "annotations of index.json is missing, or not an object",
    _config_of_another: "is not for x86_64",
    _kind_that_leads_to_another_repository: "io.nodeprov.kind of index.json is 'x/../../../others/image/",
    _twice_of_a_kind: "io.nodeprov.kind of index.json is 'lock' twice",
    _version_that_leads_to_another_repository: "io.nodeprov.version of index.json is '1/../../others'",
    _twice_for_one_processor: "has two releases for",
    _lock_of_another_kind: "is application/json, and should be application/vnd.oci.image.manifest",
    _lock_that_leads_out: "is application/json, and should be application/vnd.oci.image.manifest",
    _release_of_another_kind: "is application/json, and should be application/vnd.oci.image.index",
}


@pytest.mark.parametrize("change", FORGED, ids=lambda change: change.__name__)
def test_what_nodeprov_does_not_write_is_refused_though_all_digests_are_right(
    change: Callable[[dict[str, Any]], None], path: Path, server: ReleaseServer, cache: Path
) -> None:
    forged(path, change)
    assert FORGED[change] in refusal(path, server, cache).message


def test_a_release_for_an_architecture_that_is_not_in_it_is_refused(
    path: Path, server: ReleaseServer, cache: Path
) -> None:
    forged(path, lambda index: index["manifests"][0]["content"]["manifests"].pop())
    found = read(path)
    assert [*found.layers] == ["x86_64"] or [*found.layers] == ["aarch64"]
    [missing] = {*BOTH} - {*found.layers}
    with pytest.raises(NodeprovError, match=f"it has nothing for {missing}"):
        unpacked(path, server, cache, missing)


def test_another_lock_counts(path: Path) -> None:
    found = read(path)
    found.insist_on(found.lock, where="nodeprov.lock")
    with pytest.raises(NodeprovError, match=r"has the release 20260905\.1"):
        found.insist_on(replace(found.lock, release="20260905.1"), where="nodeprov.lock")
    build = found.lock.builds["x86_64"]
    other = replace(build, members={**build.members, "runsc": replace(build.members["runsc"], sha512="0" * 128)})
    with pytest.raises(NodeprovError, match=r"for x86_64 it has another runsc than nodeprov\.lock"):
        found.insist_on(replace(found.lock, builds={"x86_64": other}), where="nodeprov.lock")


def test_a_bundle_is_known_by_its_beginning(path: Path, tmp_path: Path) -> None:
    assert is_bundle(path)
    (tmp_path / "x").write_text("oci-layout is a file")
    assert not is_bundle(tmp_path / "x")
    assert not is_bundle(tmp_path)
    with pytest.raises(UsageError, match="it is not a bundle"):
        read(tmp_path / "x")
