"""The examples of the documentation, on a real node."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shlex
import shutil
import tarfile
from pathlib import Path

import pytest

from nodeprov.kubernetes.images import GO_ARCHITECTURES
from tests.lab.machines import CLASS, WORKER, Kubectl, Machine
from tests.lab.running import installed
from tests.support import parts

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
    path = tmp_path_factory.mktemp("image") / "nginx.tar"
    path.write_bytes(archive(parts.nginx()))
    return path


def archive(root: Path) -> bytes:
    """Write a tree as an image in the format of `docker save`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(
                path, arcname=path.name, filter=lambda member: None if "usr/share/doc" in member.name else member
            )
        for name in ("bin", "lib", "lib64", "sbin"):  # base-files brings them, which nginx does not depend on
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
        accounts = {"etc/passwd": b"root:x:0:0::/:/bin/sh\n", "etc/group": b"root:x:0:\n"}
        for name, content in {**accounts, "etc/nginx.conf": NGINX_CONF}.items():
            add(tar, name, content)
        # The image of Docker Hub has it, of util-linux.
        add(tar, "usr/bin/dmesg", Path(shutil.which("busybox") or "/bin/busybox").read_bytes(), 0o755)
    command = ["/usr/sbin/nginx", "-c", "/etc/nginx.conf"]
    config = {
        "architecture": GO_ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Cmd": command, "Env": ["PATH=/usr/sbin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["docker.io/library/nginx:latest"], "Layers": ["layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "layer.tar", layer.getvalue())
        add(tar, "config.json", json.dumps(config).encode())
        add(tar, "manifest.json", json.dumps(manifest).encode())
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Add a file that all may read."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def test_nginx_runs_in_a_sandbox_as_the_tutorials_have_it(worker: Machine, kubectl: Kubectl, image: Path) -> None:
    installed(WORKER)
    worker.host.sh("ctr --namespace k8s.io images import -", stdin=image.read_bytes())
    example = EXAMPLE.read_text().replace("runtimeClassName: gvisor", f"runtimeClassName: {CLASS}")
    kubectl("apply", "-f", "-", stdin=example)
    try:
        kubectl("wait", "--for=condition=Ready", "pod/nginx-gvisor", "--timeout=90s")
        assert "Starting gVisor" in kubectl("exec", "nginx-gvisor", "--", "dmesg")
        address = kubectl.json("get", "pod", "nginx-gvisor")["status"]["podIP"]
        get = f"exec 3<>/dev/tcp/{address}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
        page = worker.run(f"bash -c {shlex.quote(get)}")
        assert "Welcome to nginx!" in page
    finally:
        kubectl("delete", "pod", "nginx-gvisor", "--force", "--grace-period=0")
        worker.run("ctr --namespace k8s.io images rm docker.io/library/nginx:latest")
