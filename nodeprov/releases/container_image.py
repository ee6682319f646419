"""An image for several architectures, as an OCI image layout in a tar: written without a container daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from nodeprov.releases import oci
from nodeprov.releases.layers import SMALL, LayerWriter, compression
from nodeprov.releases.layout_tar import Blob, write_layout
from nodeprov.releases.pace import Progress

COMPRESSION = "io.nodeprov.compression"


@dataclass(frozen=True, slots=True)
class Member:
    """A file, with its content and permission bits; or, with a `target`, a symbolic link."""

    content: bytes | Path = b""
    mode: int = 0o644
    target: str = ""


Members = Mapping[str, Member]
"""The members of a layer by their paths, without a slash before them; folders are made for them."""


@dataclass(frozen=True, slots=True)
class Build:
    """An image for one architecture: its layers, the lowest first, and what a container of it runs by default."""

    layers: Sequence[Members]
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """An image that was written: its name, the digest of its index, which is the same everywhere, and for what."""

    reference: str
    digest: str
    architectures: tuple[str, ...]


def write_image(
    reference: str,
    builds: Mapping[str, Build],
    target: BinaryIO,
    scratch: Path,
    on_progress: Progress,
    *,
    level: int = SMALL,
) -> Written:
    """Write an image. The same builds give the same bytes, by the same version of zstd.

    Args:
        reference: its name and tag, as `localhost/nodeprov-engine:1`.
        builds: by architecture, as `uname -m` prints it.
        target: a file.
        scratch: an empty folder with room for the layers, compressed.
        on_progress: called with what is packed, and the bytes done.
        level: how much work is spent on small layers: see layers.py.

    Raises:
        OSError: a file cannot be read, or the disk is full.
    """
    making = _Making(scratch, on_progress, level)
    manifests = [making.manifest(name, builds[name]) for name in sorted(builds)]
    name, tag = reference.rsplit(":", 1)
    inner = oci.index(manifests)
    named = {oci.CONTAINERD_NAME: f"{name}:{tag}", oci.REF_NAME: tag}
    described = making.blob(oci.INDEX, inner, annotations=named)
    write_layout(target, oci.index([described], annotations={COMPRESSION: compression(level)}), making.blobs)
    return Written(reference, f"sha256:{oci.sha256(inner)}", tuple(sorted(builds)))


@dataclass(slots=True)
class _Making:
    """The blobs so far, by their digests."""

    scratch: Path
    on_progress: Progress
    level: int
    blobs: dict[str, Blob] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def blob(self, media_type: str, content: bytes, **more: Any) -> dict[str, Any]:
        digest = oci.sha256(content)
        self.blobs[digest] = content
        return oci.descriptor(media_type, digest, len(content), **more)

    def manifest(self, architecture: str, build: Build) -> dict[str, Any]:
        layers = [self._layer(each, f"layer {n} for {architecture}") for n, each in enumerate(build.layers, 1)]
        config = oci.text_of(
            {
                **oci.platform(architecture),
                "config": {
                    "Entrypoint": list(build.command),
                    "Env": [f"{name}={value}" for name, value in sorted(build.environment.items())],
                },
                "history": [{} for _ in layers],
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}" for _, diff_id in layers]},
            }
        )
        manifest = oci.manifest(self.blob(oci.CONFIG, config), [described for described, _ in layers])
        return self.blob(oci.MANIFEST, manifest, platform=oci.platform(architecture))

    def _layer(self, members: Members, what: str) -> tuple[dict[str, Any], str]:
        path = self.scratch / f"{next(self.numbers)}"
        total, done = sum(_size(each) for each in members.values()), 0
        with path.open("wb") as file:
            writing = LayerWriter(file, self.level)
            for folder in _folders(members):
                writing.folder(folder)
            for name in sorted(members):
                _write(writing, name, members[name])
                done += _size(members[name])
                self.on_progress(f"packing {what}", done, total)
            digest, diff_id = writing.end()
        self.blobs[digest] = path
        return oci.descriptor(oci.LAYER_ZSTD, digest, path.stat().st_size), diff_id


def _write(writing: LayerWriter, name: str, member: Member) -> None:
    if member.target:
        writing.link(name, member.target)
    elif isinstance(member.content, bytes):
        writing.content(name, member.content, member.mode)
    else:
        writing.file(name, member.content, member.content.stat().st_size)


def _size(member: Member) -> int:
    return len(member.content) if isinstance(member.content, bytes) else member.content.stat().st_size


def _folders(members: Members) -> Iterator[str]:
    """Name the folders of members, each behind the one it lies in, but for those that a link stands for."""
    folders = {str(each) for name in members for each in PurePosixPath(name).parents} - {"."}
    yield from sorted(folders - members.keys())
