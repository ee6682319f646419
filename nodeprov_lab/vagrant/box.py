"""The programs of a virtual machine: in a box of our own, for where none can be fetched, or brought to another."""

import io
import json
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nodeprov.hosts.base import check
from nodeprov.hosts.local import run_checked
from nodeprov.templates import render
from nodeprov_lab.access import RemoteShell
from nodeprov_lab.base import OnEvent, step
from nodeprov_lab.cache import Cache, digest_of
from nodeprov_lab.host import overlay_argv
from nodeprov_lab.parts import PACKAGES, Flavor, debian_root
from nodeprov_lab.processes import ending_with_us
from nodeprov_lab.vagrant.state import PREFIX

STAMP = "/usr/local/lib/nodeprov-lab/programs"
"""The file on a machine that names the trees of programs it has."""

FILES = ("metadata.json", "Vagrantfile", "box.img", "vmlinuz", "initrd.img")
_PACKAGES = ("busybox", "e2fsprogs", "initramfs-tools", "linux-image-cloud-amd64", "lz4", "udev")
_DISK_GIB = 8
# metadata_csum_seed is unknown to older kernels; a journal that is zeroed later is zeroed by a slow machine.
_MKE2FS = shlex.split("mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -O ^metadata_csum_seed")
_BUILD_TIMEOUT_SECONDS = 900.0
_METADATA = {"provider": "libvirt", "format": "qcow2", "virtual_size": _DISK_GIB}
_PACKAGES_TIMEOUT_SECONDS = 900.0
_TREE_TIMEOUT_SECONDS = 600.0
_HINT = "a machine without Internet needs a box that has all of it: nodeprov lab up --provider vagrant --build-box"


def stamp_of(trees: Sequence[Path]) -> str:
    """Name these trees, whose folders are named after what they are made of."""
    return digest_of({"trees": " ".join(f"{tree.parent.name}/{tree.name}" for tree in trees)})


def bring(shell: RemoteShell, trees: Sequence[Path], on_event: OnEvent) -> None:
    """Have Debian's packages and the trees of programs on a machine that was not made from our own box."""
    wanted = stamp_of(trees)
    if shell.run(f"cat {STAMP}").text == wanted:
        return
    with step(on_event, f"installing Debian's packages on {shell.name}"):
        script = render("lab/packages.sh.j2", packages=PACKAGES)
        output = shell.run(script, timeout_seconds=_PACKAGES_TIMEOUT_SECONDS)
        check(output, "cannot install packages", where=shell.name, hint=_HINT)
    with step(on_event, f"copying the programs to {shell.name}"):
        for tree in trees:
            script = "tar -x -C / --no-same-owner --no-overwrite-dir"
            output = shell.run(script, stdin=tree_archive(tree), timeout_seconds=_TREE_TIMEOUT_SECONDS)
            check(output, "cannot copy programs", where=shell.name, hint=_HINT)
        script = f"mkdir -p {Path(STAMP).parent} && cat > {STAMP}"
        check(shell.run(script, stdin=wanted.encode()), "cannot write a file", where=shell.name, hint=_HINT)


def tree_archive(tree: Path) -> bytes:
    """Write a folder as a tar archive to be unpacked at the root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(tree, arcname=".")
    return out.getvalue()


def flavor() -> Flavor:
    """Say what the Debian of a virtual machine has beyond that of a container."""
    return Flavor("debian-box", _PACKAGES, render("lab/box-initramfs.sh.j2"), render("lab/box-setup.sh.j2"))


def box_folder(cache: Cache, debian_mirror: str, programs: Sequence[Path], on_event: OnEvent) -> Path:
    """Return the folder of a box's files, with these trees of programs in its disk."""
    debian = debian_root(cache, debian_mirror, on_event, flavor())
    ingredients = {
        "debian": debian.parent.name,
        "programs": stamp_of(programs),
        "vagrantfile": render("lab/box.Vagrantfile.j2"),
        "mke2fs": " ".join(_MKE2FS),
        "disk": str(_DISK_GIB),
    }
    return cache.folder("box", ingredients, partial(_make, debian, programs, on_event))


def box_name(folder: Path) -> str:
    """Name the box as Vagrant is to know it: another content, another name."""
    return f"{PREFIX}-{digest_of({'box': folder.name})[:8]}"


def _make(debian: Path, programs: Sequence[Path], on_event: OnEvent, folder: Path) -> None:
    with step(on_event, "making the box"):
        (folder / "metadata.json").write_text(json.dumps(_METADATA))
        (folder / "Vagrantfile").write_text(render("lab/box.Vagrantfile.j2"))
        for name in ("vmlinuz", "initrd.img"):
            (newest,) = sorted((debian / "boot").glob(f"{name}-*"))
            (folder / name).write_bytes(newest.read_bytes())
        _make_disk([*programs, debian], stamp_of(programs), folder)


def _make_disk(layers: Sequence[Path], stamp: str, folder: Path) -> None:
    """Write the file system that fills the disk, of the layers, the topmost first."""
    work = folder / "work"
    raw, own, merged = work / "raw", work / "own", work / "merged"
    stamped = own / STAMP.lstrip("/")
    stamped.parent.mkdir(parents=True)
    stamped.write_text(stamp)
    merged.mkdir()
    lower = ":".join(map(str, [own, *layers]))
    commands = [
        overlay_argv(f"lowerdir={lower}", merged),
        ["truncate", "-s", f"{_DISK_GIB}G", str(raw)],
        [*_MKE2FS, "-L", "root", "-d", str(merged), str(raw)],
    ]
    _run(["unshare", "--mount", "sh", "-c", " && ".join(map(shlex.join, commands))])  # the mount ends with it
    _run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(folder / "box.img")])
    shutil.rmtree(work)


def add_box(folder: Path, vagrant: Callable[[Sequence[str]], str], on_event: OnEvent) -> str:
    """Have Vagrant know the box; return the name by which it does."""
    name = box_name(folder)
    if f"{name} " in vagrant(["box", "list"]):
        return name
    with (
        step(on_event, f"adding the box {name} to Vagrant"),
        tempfile.TemporaryDirectory(dir=folder.parent) as work,
    ):
        packed, catalog = Path(work, "box"), Path(work, "catalog.json")
        _run(["tar", "-C", str(folder), "-cf", str(packed), *FILES])
        catalog.write_text(json.dumps(_catalog(name, packed)))
        vagrant(["box", "add", "--force", "--provider", "libvirt", str(catalog)])
    return name


def _catalog(name: str, packed: Path) -> Mapping[str, Any]:
    """Describe the box as a catalog does: without one it has no version, of which Vagrant complains each time."""
    provider = {"name": "libvirt", "url": packed.as_uri()}
    return {"name": name, "versions": [{"version": "1.0.0", "providers": [provider]}]}


def _run(argv: Sequence[str]) -> None:
    run_checked(ending_with_us(argv), "cannot make the box", timeout_seconds=_BUILD_TIMEOUT_SECONDS)
