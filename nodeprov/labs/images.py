"""Container images made of a static busybox, without a registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

BUSYBOX_IMAGE = "docker.io/library/busybox:lab"
PAUSE_IMAGE = "docker.io/library/pause:lab"
_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var")
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ANSWER_TO_TERM = "trap 'exit 0' TERM INT; sleep 2147483647 & wait"  # what is PID 1 has no default handlers


@dataclass(frozen=True, slots=True)
class Image:
    """A name and the command that a container of it runs by default."""

    reference: str
    command: tuple[str, ...]


IMAGES = (Image(BUSYBOX_IMAGE, ("/bin/sh",)), Image(PAUSE_IMAGE, ("/bin/sh", "-c", _ANSWER_TO_TERM)))


def image_archive(busybox: bytes, applets: Sequence[str], machine: str, images: Sequence[Image] = IMAGES) -> bytes:
    """Write the images, which share one layer, as one archive for `ctr images import`.

    The same busybox gives the same bytes. `machine` is what `uname -m` prints. The format is that of
    `docker save`: https://github.com/moby/docker-image-spec
    """
    layer = _layer(busybox, applets)
    layer_digest = hashlib.sha256(layer).hexdigest()
    files = {f"{layer_digest}/layer.tar": layer}
    manifest = []
    for image in images:
        config = _config(image, layer_digest, machine)
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        files[name] = config
        manifest.append({"Config": name, "RepoTags": [image.reference], "Layers": [f"{layer_digest}/layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in files.items():
            _add_file(tar, path, content, 0o644)
    return archive.getvalue()


def _layer(busybox: bytes, applets: Sequence[str]) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in _FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        _add_file(tar, "bin/busybox", busybox, 0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return layer.getvalue()


def _config(image: Image, layer_digest: str, machine: str) -> bytes:
    config = {
        "architecture": _GO_ARCHITECTURES.get(machine, machine),
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
