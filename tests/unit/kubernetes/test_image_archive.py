"""Images of one layer, as `ctr images import` reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

from nodeprov.kubernetes.image_archive import Image, Layer, image_archive

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
