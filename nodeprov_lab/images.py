"""Container images: the lab's own, of a static busybox, and those that are imported; there is no registry."""

import hashlib
import platform
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.base import check
from nodeprov.hosts.local import run_checked, run_program
from nodeprov.kubernetes.images import Image, Layer, image_archive
from nodeprov_lab.base import Lab, Machine, OnEvent, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.processes import at_once

BUSYBOX_IMAGE = "docker.io/library/busybox:lab"
PAUSE_IMAGE = "docker.io/library/pause:lab"
_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var")
_ANSWER_TO_TERM = "trap 'exit 0' TERM INT; sleep 2147483647 & wait"  # what is PID 1 has no default handlers

IMAGES = (Image(BUSYBOX_IMAGE, ("/bin/sh",)), Image(PAUSE_IMAGE, ("/bin/sh", "-c", _ANSWER_TO_TERM)))
# What is pulled from a registry by its digest has a name with that digest; an import gives names with tags alone.
_SCRIPT = r"""set -eu
ctr --namespace k8s.io images import -
ctr --namespace k8s.io images ls | awk 'NR > 1 && $1 ~ /:[^@\/]*$/ && $1 !~ /@|^sha256:/ { print $1, $3 }' |
    while read -r name digest; do
        ctr --namespace k8s.io images tag --force "$name" "${name%:*}@$digest"
    done
"""
_COMMAND = ("sh", "-c", _SCRIPT)
_TIMEOUT_SECONDS = 900.0


def busybox_archive(busybox: bytes, applets: Sequence[str], machine: str) -> bytes:
    """Write the images, which share one layer, as one archive; `machine` is what `uname -m` prints."""
    links = {f"bin/{applet}": "busybox" for applet in sorted(set(applets) - {"busybox"})}
    return image_archive(Layer(_FOLDERS, {"bin/busybox": busybox}, links), IMAGES, machine)


def is_static(program: bytes) -> bool:
    """Return whether an ELF program needs no libraries: it names no interpreter."""
    return b"/ld-linux" not in program


def static_busybox() -> Path | None:
    """Find the busybox of the images; None if there is none, or one that needs libraries."""
    found = shutil.which("busybox")
    return Path(found) if found and is_static(Path(found).read_bytes()) else None


def make_images(cache: Cache) -> bytes:
    """Make the images of this machine's static busybox."""
    found = static_busybox()
    if found is None:
        raise NodeprovError("there is no static busybox", "apt-get install -y busybox-static")
    busybox = found.read_bytes()
    applets = run_checked([str(found), "--list"], "cannot list busybox's applets").split()
    ingredients = {
        "busybox": hashlib.sha256(busybox).hexdigest(),
        "applets": " ".join(applets),
        "images": str(IMAGES),
    }

    def make(folder: Path) -> None:
        (folder / "images.tar").write_bytes(busybox_archive(busybox, applets, platform.machine()))

    return (cache.folder("images", ingredients, make) / "images.tar").read_bytes()


def import_image(lab: Lab, archive: Path, on_event: OnEvent) -> None:
    """Import an archive of images on every machine; raise NodeprovError, which names the machine, if one fails."""
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {archive}: {error.strerror}", "docker save IMAGE > FILE") from None
    at_once([partial(_import, lab, machine, archive, content, on_event) for machine in lab.machines])


def _import(lab: Lab, machine: Machine, archive: Path, content: bytes, on_event: OnEvent) -> None:
    with step(on_event, f"importing {archive.name} on {machine.name}"):
        argv = lab.ssh_argv(machine.name, _COMMAND, terminal=False)
        output = run_program(argv, stdin=content, timeout_seconds=_TIMEOUT_SECONDS)
        check(output, "cannot import the image", where=machine.name, hint=f"is {archive} what docker save writes?")
