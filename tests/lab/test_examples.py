"""The examples of the documentation, on a real node."""

from __future__ import annotations

import io
import json
import platform
import tarfile
from pathlib import Path

import pytest

from nodeprov.cache_folder import cache_folder
from nodeprov.labs.cache import Cache
from nodeprov.labs.debian import SUITE, chosen_mirror, debian_tree
from nodeprov.proof.archive import GO_ARCHITECTURES

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx-gvisor.yaml"
NGINX_CONF = b"""\
user root;
daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events {}
http { access_log off; server { listen 80; root /usr/share/nginx/html; } }
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image named as Docker Hub's, of Debian's nginx: the lab reaches no registry."""

    def make(folder: Path) -> None:
        debian_tree(folder / "root", SUITE, "nginx", chosen_mirror(), lambda _event: None)

    root = Cache(cache_folder() / "lab").folder("nginx", {"suite": SUITE, "machine": platform.machine()}, make)
    path = tmp_path_factory.mktemp("image") / "nginx.tar"
    path.write_bytes(archive(root / "root"))
    return path


def archive(root: Path) -> bytes:
    """Write a tree as an image in the format of `docker save`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(
                path, arcname=path.name, filter=lambda member: None if "usr/share/doc" in member.name else member
            )
        for name, content in {"etc/passwd": b"root:x:0:0::/:/bin/sh\n", "etc/nginx.conf": NGINX_CONF}.items():
            add(tar, name, content)
    command = ["/usr/sbin/nginx", "-c", "/etc/nginx.conf"]
    config = {
        "architecture": GO_ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Cmd": command, "Env": ["PATH=/usr/sbin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer.getvalue())}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["docker.io/library/nginx:latest"], "Layers": ["layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "layer.tar", layer.getvalue())
        add(tar, "config.json", json.dumps(config).encode())
        add(tar, "manifest.json", json.dumps(manifest).encode())
    return out.getvalue()
