"""Container images of one layer, written without a registry, as `ctr images import` reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Go and image registries call what `uname -m` prints."""


@dataclass(frozen=True, slots=True)
class Image:
    """A name and the command that a container of it runs by default."""

    reference: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """What is in the images: folders, programs by path, and links by path; nothing has a time or an owner."""

    folders: tuple[str, ...] = ()
    programs: Mapping[str, bytes] | None = None
    links: Mapping[str, str] | None = None


def image_archive(layer: Layer, images: Sequence[Image], machine: str) -> bytes:
    """Write images, which share one layer, as one archive; the same layer gives the same bytes.

    `machine` is what `uname -m` prints. The format is that of `docker save`: https://github.com/moby/docker-image-spec
    """
    content = _layer(layer)
    digest = hashlib.sha256(content).hexdigest()
    files = {f"{digest}/layer.tar": content}
    manifest = []
    for image in images:
        config = _config(image, digest, machine)
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        files[name] = config
        manifest.append({"Config": name, "RepoTags": [image.reference], "Layers": [f"{digest}/layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, each in files.items():
            _add_file(tar, path, each, 0o644)
    return archive.getvalue()


def _layer(layer: Layer) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in layer.folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, content in (layer.programs or {}).items():
            _add_file(tar, path, content, 0o755)
        for path, target in (layer.links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return archive.getvalue()


def _config(image: Image, layer_digest: str, machine: str) -> bytes:
    config = {
        "architecture": GO_ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Cmd": list(image.command), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{}],
    }
    return json.dumps(config, sort_keys=True).encode()


def _add_file(tar: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
