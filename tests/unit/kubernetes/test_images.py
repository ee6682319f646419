"""Images of one layer, and that of the proof's pods: the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from nodeprov.kubernetes import images
from nodeprov.kubernetes.images import Image, Layer, image_archive

LAYER = Layer(("bin", "tmp"), {"bin/sh": b"#!"}, {"bin/ls": "sh"})
IMAGES = (Image("a:1", ("/bin/sh",)), Image("b:2", ("/bin/ls", "-l")))


def opened(content: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(content))


def read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def test_images_share_a_layer_and_each_has_its_own_command() -> None:
    with opened(image_archive(LAYER, IMAGES, "aarch64")) as tar:
        first, second = json.loads(read(tar, "manifest.json"))
        assert (first["RepoTags"], second["RepoTags"]) == (["a:1"], ["b:2"])
        assert first["Layers"] == second["Layers"]
        configs = [json.loads(read(tar, each["Config"])) for each in (first, second)]
        assert [config["config"]["Cmd"] for config in configs] == [["/bin/sh"], ["/bin/ls", "-l"]]
        assert {config["architecture"] for config in configs} == {"arm64"}
        layer = read(tar, first["Layers"][0])
        assert configs[0]["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_the_layer_has_folders_programs_and_links_of_root_and_without_a_time() -> None:
    with opened(image_archive(LAYER, IMAGES, "x86_64")) as tar:
        layer = next(name for name in tar.getnames() if name.endswith("/layer.tar"))
        with opened(read(tar, layer)) as content:
            members = {each.name: each for each in content.getmembers()}
            assert {name: each.mode for name, each in members.items() if not each.issym()} == {
                "bin": 0o755,
                "tmp": 0o1777,
                "bin/sh": 0o755,
            }
            assert (members["bin/ls"].linkname, read(content, "bin/sh")) == ("sh", b"#!")
            assert {(each.uid, each.gid, each.mtime) for each in members.values()} == {(0, 0, 0)}


def test_the_same_layer_gives_the_same_bytes() -> None:
    assert image_archive(LAYER, IMAGES, "x86_64") == image_archive(LAYER, IMAGES, "x86_64")


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {each.name: (tar.extractfile(each) or io.BytesIO()).read() for each in tar.getmembers()}


@pytest.mark.parametrize(("architecture", "go"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_it_holds_one_program_and_all_its_digests_are_true(architecture: str, go: str) -> None:
    program = images.probe(architecture)
    files = members(images.archive(program, architecture))
    (manifest,) = json.loads(files["manifest.json"])
    (layer,) = manifest["Layers"]
    assert members(files[layer]) == {"probe": program}
    config = json.loads(files[manifest["Config"]])
    assert config["architecture"] == go
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}"]
    assert manifest["Config"] == f"{hashlib.sha256(files[manifest['Config']]).hexdigest()}.json"
    assert manifest["RepoTags"] == [images.reference(program)]
