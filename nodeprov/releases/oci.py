"""Values of the OCI image specification: https://github.com/opencontainers/image-spec (version 1.1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
CONTAINERD_NAME = "io.containerd.image.name"
"""How containerd names an image that it imports (containerd: core/images/annotations.go)."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What images call what `uname -m` prints."""
NOTHING = b"{}"
"""The configuration of what is no image."""


def text_of(value: Mapping[str, Any]) -> bytes:
    """Write a value in one way only: the same value has the same digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha256(content: bytes) -> str:
    """Return a digest in hex."""
    return hashlib.sha256(content).hexdigest()


def platform(architecture: str) -> dict[str, str]:
    """Name the platform of what `uname -m` prints."""
    return {"architecture": ARCHITECTURES[architecture], "os": "linux"}


def descriptor(media_type: str, digest: str, size_bytes: int, **more: Any) -> dict[str, Any]:
    """Describe a blob by its type, its SHA-256 digest in hex and its size, and by what else is given."""
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size_bytes, **more}


def config(architecture: str, diff_id: str) -> bytes:
    """Write the configuration of an image of one layer; `diff_id` is the digest of the layer, not compressed."""
    return text_of(
        {
            **platform(architecture),
            "config": {},
            "history": [{}],
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        }
    )


def manifest(config: Mapping[str, Any], layers: list[dict[str, Any]], **more: Any) -> bytes:
    """Write a manifest of an image, or, with an `artifactType`, of something else."""
    return text_of({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more})


def index(manifests: list[dict[str, Any]], **more: Any) -> bytes:
    """Write an index of manifests."""
    return text_of({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **more})
