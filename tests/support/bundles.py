"""Bundles of releases of a server on loopback, as `nodeprov bundle` has written them."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nodeprov import __version__
from nodeprov.releases import oci
from nodeprov.releases.bundling import SHA256, sealed_index
from nodeprov.releases.layout_tar import blob_path, write_layout
from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder
from tests.support.release_server import ReleaseServer


def wheel(folder: Path, name: str = "nodeprov", version: str = __version__, *required: str) -> Path:
    """A wheel that has only its METADATA."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", *(f"Requires-Dist: {each}" for each in required)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA"),
            "\n".join([*lines, f"Version: {version}", "", ""]),
        )
    return path


def bundled_folder(folder: Path, server: ReleaseServer, *options: str, trust: str = "") -> Path:
    """Write an inventory, its lock and a bundle."""
    locked_folder(folder, server, trust=trust)
    output = at_home(folder, "bundle", "bundle.tar", *(options or ("--no-wheels",)))
    assert output.returncode == 0, said(output)
    return folder / "bundle.tar"


def entries(bundle: Path) -> dict[str, bytes]:
    """What is in a bundle, by name."""
    with tarfile.open(bundle) as tar:
        found = {each.name: tar.extractfile(each) for each in tar}
        return {name: file.read() for name, file in found.items() if file}


def opened(bundle: Path) -> dict[str, Any]:
    """The index of a bundle, in which each descriptor has its `content`: bytes, or a value of the same kind."""
    files = entries(bundle)

    def content(described: dict[str, Any]) -> Any:
        text = files[blob_path(described["digest"].removeprefix("sha256:"))]
        if described["mediaType"] not in (oci.INDEX, oci.MANIFEST):
            return text
        value = json.loads(text)
        for each in below(value):
            each["content"] = content(each)
        return value

    index: dict[str, Any] = json.loads(files["index.json"])
    for each in below(index):
        each["content"] = content(each)
    return index


def below(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The descriptors in an index or a manifest."""
    return value["manifests"] if "manifests" in value else [value["config"], *value["layers"]]


def forged(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a bundle as somebody would who computes every digest anew."""
    index, blobs = opened(bundle), {}
    change(index)

    def written(value: dict[str, Any]) -> dict[str, Any]:
        for each in below(value):
            content = each.pop("content")
            text = content if isinstance(content, bytes) else oci.text_of(written(content))
            each["digest"], each["size"] = f"sha256:{oci.sha256(text)}", len(text)
            blobs[oci.sha256(text)] = text
        return value

    manifests = written(index)["manifests"]
    index["annotations"].pop(SHA256)
    with bundle.open("wb") as file:
        write_layout(file, sealed_index(manifests, index["annotations"]), blobs)


def manifest(index: dict[str, Any], architecture: str = "amd64") -> dict[str, Any]:
    """The manifest of the release for an architecture."""
    [described] = [
        each
        for each in index["manifests"][0]["content"]["manifests"]
        if each["platform"]["architecture"] == architecture
    ]
    content: dict[str, Any] = described["content"]
    return content


def with_layer(content: bytes, architecture: str = "amd64") -> Callable[[dict[str, Any]], None]:
    """Put another layer in the place of that of the release."""

    def change(index: dict[str, Any]) -> None:
        manifest(index, architecture)["layers"][0]["content"] = content

    return change
