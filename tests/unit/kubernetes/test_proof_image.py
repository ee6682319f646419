"""The image of the proof's pods: a container's whole world, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from nodeprov.kubernetes import proof_image


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {each.name: (tar.extractfile(each) or io.BytesIO()).read() for each in tar.getmembers()}


@pytest.mark.parametrize(("architecture", "go"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_it_holds_one_program_and_all_its_digests_are_true(architecture: str, go: str) -> None:
    program = proof_image.probe(architecture)
    files = members(proof_image.archive(program, architecture))
    (manifest,) = json.loads(files["manifest.json"])
    (layer,) = manifest["Layers"]
    assert members(files[layer]) == {"probe": program}
    config = json.loads(files[manifest["Config"]])
    assert config["architecture"] == go
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}"]
    assert manifest["Config"] == f"{hashlib.sha256(files[manifest['Config']]).hexdigest()}.json"
    assert manifest["RepoTags"] == [proof_image.reference(program)]
