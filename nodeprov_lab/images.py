"""The lab's container images: a static busybox, without a registry."""

from __future__ import annotations

from collections.abc import Sequence

from nodeprov.kubernetes.image_archive import Image, Layer, image_archive

BUSYBOX_IMAGE = "docker.io/library/busybox:lab"
PAUSE_IMAGE = "docker.io/library/pause:lab"
_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var")
_ANSWER_TO_TERM = "trap 'exit 0' TERM INT; sleep 2147483647 & wait"  # what is PID 1 has no default handlers

IMAGES = (Image(BUSYBOX_IMAGE, ("/bin/sh",)), Image(PAUSE_IMAGE, ("/bin/sh", "-c", _ANSWER_TO_TERM)))


def busybox_archive(busybox: bytes, applets: Sequence[str], machine: str) -> bytes:
    """Write the images, which share one layer, as one archive; `machine` is what `uname -m` prints."""
    links = {f"bin/{applet}": "busybox" for applet in sorted(set(applets) - {"busybox"})}
    return image_archive(Layer(_FOLDERS, {"bin/busybox": busybox}, links), IMAGES, machine)
