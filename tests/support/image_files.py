"""What is in an image's file, read as a container engine reads it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from nodeprov.releases.layout_tar import read_layout


@dataclass(frozen=True)
class ReadImage:
    """An image for one architecture: its configuration, and the content of its layers laid over each other."""

    config: dict[str, Any]
    layers: list[bytes]

    def unpacked(self, folder: Path) -> None:
        for each in self.layers:
            with tarfile.open(fileobj=io.BytesIO(each)) as tar:
                tar.extractall(folder, filter="fully_trusted")

    @property
    def members(self) -> dict[str, tarfile.TarInfo]:
        found: dict[str, tarfile.TarInfo] = {}
        for each in self.layers:
            with tarfile.open(fileobj=io.BytesIO(each)) as tar:
                found |= {member.name: member for member in tar}
        return found

    def content(self, name: str) -> bytes:
        for each in reversed(self.layers):
            with tarfile.open(fileobj=io.BytesIO(each)) as tar:
                if name in tar.getnames() and (file := tar.extractfile(name)):
                    return file.read()
        raise KeyError(name)


def read_image(path: Path) -> tuple[str, str, dict[str, ReadImage]]:
    """Read an image's name, the digest of its index, and its builds by what registries call an architecture."""
    layout = read_layout(path, lambda *_: None)
    [described] = json.loads(layout.index)["manifests"]

    def blob(value: dict[str, Any]) -> bytes:
        return layout.text(value["digest"].removeprefix("sha256:"), most_bytes=1 << 30)

    found = {}
    for each in json.loads(blob(described))["manifests"]:
        manifest = json.loads(blob(each))
        config = json.loads(blob(manifest["config"]))
        packed = map(blob, manifest["layers"])
        layers = [zstandard.ZstdDecompressor().stream_reader(io.BytesIO(layer)).read() for layer in packed]
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        assert config["rootfs"]["diff_ids"] == digests
        assert each["platform"]["architecture"] == config["architecture"]
        found[config["architecture"]] = ReadImage(config["config"], layers)
    return described["annotations"]["io.containerd.image.name"], described["digest"], found
