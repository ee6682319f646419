"""Making a bundle: releases as images, their lock, other images and wheels, in one OCI image layout."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from nodeprov.errors import NodeprovError
from nodeprov.releases import oci
from nodeprov.releases.layers import LEVEL, LayerWriter, compression
from nodeprov.releases.layout_tar import Blob, write_layout
from nodeprov.releases.lock import Lock, LockedFile
from nodeprov.releases.obtain import Release
from nodeprov.releases.pace import Progress

ARTIFACT = "application/vnd.nodeprov."
BUNDLE, LOCK, WHEELS = (f"{ARTIFACT}{name}.v1" for name in ("bundle", "lock", "wheels"))
LOCK_TEXT, WHEEL = f"{ARTIFACT}lock.v1+toml", "application/vnd.pypa.wheel"
KIND, SHA256, WRITER, COMPRESSION = (
    f"io.nodeprov.{name}" for name in ("kind", "sha256", "version", "compression")
)
RELEASE, PROOF = "release", "test-pod"
KINDS = (RELEASE, PROOF, "lock", "wheels")
"""What a bundle has, each once."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that goes along: its name without a tag, the tag, and config and layer by architecture.

    Configs and layers, which are not compressed, are those of the one who made the image.
    """

    name: str
    tag: str
    parts: Mapping[str, tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle.

    Args:
        lock: what its releases are.
        lock_text: the same as a file.
        releases: those of the lock that go along.
        proof: the image of the pods that prove a node.
        wheels: files of Python packages.
        writer: the version of nodeprov.
    """

    lock: Lock
    lock_text: str
    releases: Sequence[Release]
    proof: Image
    wheels: Sequence[Path]
    writer: str


def write_bundle(contents: Contents, target: BinaryIO, scratch: Path, on_progress: Progress) -> bytes:
    """Write a bundle, and return its index. The same contents give the same bytes.

    Args:
        contents: what goes in.
        target: a file.
        scratch: an empty folder with room for the releases, compressed.
        on_progress: called with what is packed, and the bytes done.

    Raises:
        NodeprovError: a file of a release is not the locked one.
        OSError: the disk is full.
    """
    made = _Making(scratch, on_progress)
    manifests = [
        _release(made, contents),
        _image(made, contents.proof),
        made.artifact(LOCK, {"nodeprov.lock": contents.lock_text.encode()}, LOCK_TEXT),
    ]
    if contents.wheels:
        manifests.append(made.artifact(WHEELS, {each.name: each for each in contents.wheels}, WHEEL))
    index = sealed_index(manifests, {WRITER: contents.writer, COMPRESSION: compression(LEVEL)})
    write_layout(target, index, made.blobs)
    return index


def sealed_index(manifests: list[dict[str, Any]], annotations: Mapping[str, str]) -> bytes:
    """Write the index of a bundle, with a digest over the rest of it: it finds damage, and no attacker."""
    digest = oci.sha256(oci.index(manifests, artifactType=BUNDLE, annotations={**annotations}))
    return oci.index(manifests, artifactType=BUNDLE, annotations={**annotations, SHA256: digest})


def _release(made: _Making, contents: Contents) -> dict[str, Any]:
    version = contents.lock.release
    manifests = []
    for release in sorted(contents.releases, key=lambda each: each.architecture):
        members = contents.lock.builds[release.architecture].members
        layer, diff_id = made.layer(release.folder, members, f"{version} for {release.architecture}")
        manifests.append(made.image(release.architecture, oci.config(release.architecture, diff_id), layer))
    return made.index(manifests, RELEASE, f"localhost/{contents.lock.software.lower()}", version)


def _image(made: _Making, image: Image) -> dict[str, Any]:
    manifests = [
        made.image(architecture, config, made.blob(oci.LAYER_TAR, layer))
        for architecture, (config, layer) in sorted(image.parts.items())
    ]
    return made.index(manifests, PROOF, image.name, image.tag)


@dataclass(slots=True)
class _Making:
    """The blobs so far, by their digests."""

    scratch: Path
    on_progress: Progress
    blobs: dict[str, Blob] = field(default_factory=dict)
    packed: int = 0

    def blob(self, media_type: str, content: Blob, **more: Any) -> dict[str, Any]:
        if isinstance(content, bytes):
            digest, size = oci.sha256(content), len(content)
        else:
            with content.open("rb") as file:
                digest, size = hashlib.file_digest(file, "sha256").hexdigest(), content.stat().st_size
        self.blobs[digest] = content
        return oci.descriptor(media_type, digest, size, **more)

    def image(self, architecture: str, config: bytes, layer: dict[str, Any]) -> dict[str, Any]:
        manifest = oci.manifest(self.blob(oci.CONFIG, config), [layer])
        return self.blob(oci.MANIFEST, manifest, platform=oci.platform(architecture))

    def index(self, manifests: list[dict[str, Any]], kind: str, name: str, tag: str) -> dict[str, Any]:
        named = {oci.CONTAINERD_NAME: f"{name}:{tag}", oci.REF_NAME: tag, KIND: kind}
        return self.blob(oci.INDEX, oci.index(manifests), annotations=named)

    def artifact(self, kind: str, files: Mapping[str, Blob], media_type: str) -> dict[str, Any]:
        """Add what is no image. It has no name: whoever imports images leaves it alone."""
        empty = self.blob(oci.EMPTY, oci.NOTHING)
        layers = [self.blob(media_type, files[name], annotations={oci.TITLE: name}) for name in sorted(files)]
        manifest = oci.manifest(empty, layers, artifactType=kind)
        annotations = {KIND: kind.removeprefix(ARTIFACT).partition(".")[0]}
        return self.blob(oci.MANIFEST, manifest, artifactType=kind, annotations=annotations)

    def layer(self, tree: Path, members: Mapping[str, LockedFile], what: str) -> tuple[dict[str, Any], str]:
        """Pack a tree; return its descriptor, and the digest of what is packed."""
        self.packed += 1  # two trees may have the same layer: it is one blob, and their files are two
        path = self.scratch / f"layer-{self.packed}"
        total, done = sum(each.size_bytes for each in members.values()), 0
        with path.open("wb") as file:
            writing = LayerWriter(file)
            for folder in sorted({str(each) for name in members for each in PurePosixPath(name).parents} - {"."}):
                writing.folder(folder)
            for name in sorted(members):
                said = writing.file(name, tree / name, members[name].size_bytes)
                done += members[name].size_bytes
                self.on_progress(f"packing {what}", done, total)
                if said != members[name].sha512:
                    raise NodeprovError(
                        f"it has the sha512 {said}, and the lock has {members[name].sha512}",
                        f"have it downloaded again: rm -r {shlex.quote(str(tree.parent))}",
                        where=str(tree / name),
                    )
            digest, diff_id = writing.end()
        self.blobs[digest] = path
        return oci.descriptor(oci.LAYER_ZSTD, digest, path.stat().st_size), diff_id
