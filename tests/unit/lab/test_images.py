from __future__ import annotations

import hashlib
import io
import json
import tarfile

from nodeprov_lab.images import BUSYBOX_IMAGE, PAUSE_IMAGE, busybox_archive

ARCHIVE = busybox_archive(b"\x7fELF", ["sh", "busybox", "ls"], "x86_64")


def member(archive: bytes, path: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(path)
        assert file is not None
        return file.read()


def test_an_archive_names_both_images() -> None:
    manifest = json.loads(member(ARCHIVE, "manifest.json"))
    assert [image["RepoTags"] for image in manifest] == [[BUSYBOX_IMAGE], [PAUSE_IMAGE]]


def test_a_configuration_names_the_layer_by_its_digest() -> None:
    for image in json.loads(member(ARCHIVE, "manifest.json")):
        config = json.loads(member(ARCHIVE, image["Config"]))
        layer = member(ARCHIVE, image["Layers"][0])
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
        assert config["architecture"] == "amd64"


def test_a_layer_holds_busybox_and_a_link_for_each_other_applet() -> None:
    layer = member(ARCHIVE, json.loads(member(ARCHIVE, "manifest.json"))[0]["Layers"][0])
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        found = {entry.name: entry for entry in tar if entry.name.startswith("bin/")}
    assert set(found) == {"bin/busybox", "bin/sh", "bin/ls"}
    assert found["bin/busybox"].mode == 0o755
    assert found["bin/sh"].linkname == "busybox"


def test_the_same_busybox_gives_the_same_bytes() -> None:
    assert busybox_archive(b"\x7fELF", ["ls", "sh"], "x86_64") == ARCHIVE
