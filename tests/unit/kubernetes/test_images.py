"""Images of one layer, and that of the proof's pods: the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ProofSettings
from nodeprov.kubernetes import images
from nodeprov.kubernetes.images import Image, Layer, image_archive
from nodeprov.node.daemon import Daemon
from tests.support import samples

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


CTR = """#!/bin/sh
# What ctr and CRI's listener do: https://github.com/containerd/containerd, cmd/ctr/commands/images
images={folder}/images
shift 5
echo "$*" >> {folder}/calls
case $1 in
import)
    cat > /dev/null
    echo "{name} application/x sha256:content 2.1 MiB linux/amd64" >> "$images"
    [ -e {folder}/busy ] || echo "{id} application/x sha256:content 2.1 MiB linux/amd64" >> "$images" ;;
ls)
    [ "$2" = -q ] || echo "REF TYPE DIGEST SIZE PLATFORMS LABELS"
    if [ "$2" = -q ]; then cut -d ' ' -f 1 "$images"; else cat "$images"; fi
    if [ -e {folder}/busy ] && grep -qF "{name} " "$images"; then
        echo "{id} application/x sha256:content 2.1 MiB linux/amd64" >> "$images"
        rm -f {folder}/busy
    fi ;;
rm)
    shift
    for name in "$@"; do
        grep -vF "$name " "$images" > "$images.new"
        mv "$images.new" "$images"
    done ;;
esac
"""
PROGRAM = b"program"
OTHERS = (
    "registry.example.com/app:1 application/x sha256:app 1 MiB linux/amd64",
    "sha256:apps application/x sha256:app 1 MiB linux/amd64",
)


@dataclass
class Node:
    """A node whose ctr keeps its images in a file."""

    folder: Path
    host: LocalHost = field(default_factory=LocalHost)

    @property
    def daemon(self) -> Daemon:
        dump = '[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "native"\n'
        return samples.good_daemon(ctr=str(self.folder / "ctr"), socket="/s", dump=dump)

    @property
    def images(self) -> list[str]:
        return (self.folder / "images").read_text().splitlines()

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(images, "probe", lambda _architecture: PROGRAM)
    name, its_id = images.reference(PROGRAM), images.identity(PROGRAM, "x86_64")
    (tmp_path / "ctr").write_text(CTR.format(folder=tmp_path, name=name, id=its_id))
    (tmp_path / "ctr").chmod(0o755)
    (tmp_path / "images").write_text("\n".join(OTHERS) + "\n")
    return Node(tmp_path)


def test_its_id_is_that_of_the_archive() -> None:
    (manifest,) = json.loads(members(images.archive(PROGRAM, "x86_64"))["manifest.json"])
    assert images.identity(PROGRAM, "x86_64") == f"sha256:{manifest['Config'].removesuffix('.json')}"


def test_the_image_is_unpacked_by_ctr_for_the_snapshotter_of_cri(node: Node) -> None:
    with images.available(node.host, "x86_64", node.daemon, samples.settings()):
        assert node.calls[:2] == ["ls -q", "import --local --snapshotter native -"]


def test_after_a_proof_neither_its_name_nor_what_cri_has_noted_down_is_left(node: Node) -> None:
    with images.available(node.host, "x86_64", node.daemon, samples.settings()) as image:
        assert image.reference in "\n".join(node.images)
        assert images.identity(PROGRAM, "x86_64") in "\n".join(node.images)
    assert node.images == [*OTHERS]


def test_a_proof_waits_until_cri_has_heard_of_its_image(node: Node) -> None:
    (node.folder / "busy").touch()
    with images.available(node.host, "x86_64", node.daemon, samples.settings()):
        assert node.calls[2:] == ["ls -q", "ls -q"]


def test_an_id_that_an_earlier_proof_has_left_is_not_taken_for_cris_answer(node: Node) -> None:
    its_id = images.identity(PROGRAM, "x86_64")
    (node.folder / "images").write_text("\n".join([*OTHERS, f"{its_id} application/x sha256:content"]) + "\n")
    with images.available(node.host, "x86_64", node.daemon, samples.settings()):
        assert node.calls[1] == f"rm {its_id}"
        assert node.calls[2].startswith("import ")


@pytest.mark.parametrize(
    "left",
    [
        f"{images.REPOSITORY}older application/x sha256:old 2 MiB linux/amd64",
        f"{images.REPOSITORY}older application/x sha256:old 2 MiB linux/amd64\n"
        "sha256:older application/x sha256:old 2 MiB linux/amd64",
        f"{images.identity(PROGRAM, 'x86_64')} application/x sha256:content 2 MiB linux/amd64",
    ],
    ids=["the name alone", "the name and the ID", "the ID alone, as earlier versions left it"],
)
def test_what_killed_and_earlier_runs_have_left_is_removed_and_nothing_else(node: Node, left: str) -> None:
    (node.folder / "images").write_text("\n".join([*OTHERS, left]) + "\n")
    images.remove_all(node.host, "x86_64", node.daemon, samples.settings())
    assert node.images == [*OTHERS]


def test_an_image_that_the_inventory_names_is_left_where_it_is(node: Node) -> None:
    named = samples.settings(proof=ProofSettings(image=f"{images.REPOSITORY}mine"))
    (node.folder / "images").write_text(f"{named.proof.image} application/x sha256:mine\n")
    images.remove_all(node.host, "x86_64", node.daemon, named)
    assert len(node.images) == 1
