"""gVisor's releases for the lab's mirror: built from Go modules, and laid out as upstream publishes them."""

import bz2
import hashlib
import platform
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import zstandard

from nodeprov_lab.apt_suite import DEBIAN_NAMES, SigningKey, package, signing_key, write_suite
from nodeprov_lab.base import NodeFile, OnEvent, archive, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.gobuild import Component, GoBuilder, Patch, Program

LOOSE_RELEASE = "20260518.0"
ARCHIVE_RELEASE = "20260905.0"
BASE_PATH = "gvisor/releases"
_LAYOUT = "2"  # counts the changes of what is made below
# Lets the shim go on where it may not lower its OOM score, for want of CAP_SYS_RESOURCE.
_TOLERANT = Patch(
    "gvisor.dev/gvisor",
    "pkg/shim/v1/manager.go",
    "SetOOMScore(cmd.Process.Pid, oomScoreMax); err != nil {",
    "SetOOMScore(cmd.Process.Pid, oomScoreMax); err != nil && !os.IsPermission(err) {",
)


def gvisor(release: str, *, tolerant: bool) -> Component:
    """Describe a gVisor release; `tolerant` where the machine lacks CAP_SYS_RESOURCE."""
    return Component(
        f"gvisor-{release}",
        (
            Program("gvisor.dev/gvisor/runsc", "runsc"),
            Program("gvisor.dev/gvisor/shim", "containerd-shim-runsc-v1"),
        ),
        (f"gvisor.dev/gvisor/runsc/version.version=release-{release}",),
        _TOLERANT if tolerant else None,
    )


def sha512_line(content: bytes, name: str) -> str:
    """Write the line that upstream keeps beside a file, which is sha512sum's."""
    return f"{hashlib.sha512(content).hexdigest()}  {name}\n"


def release_archive(members: Mapping[str, bytes]) -> bytes:
    """Write a release's flat tar archive, uncompressed; the same members give the same bytes."""
    return archive([NodeFile(path, content, 0o755) for path, content in members.items()])


def mirror_folder(builder: GoBuilder, cache: Cache, on_event: OnEvent, *, tolerant: bool) -> Path:
    """Return the folder that the mirror serves: two releases, one of loose programs and one of archives."""
    loose, archived = (
        builder.build(gvisor(release, tolerant=tolerant)) for release in (LOOSE_RELEASE, ARCHIVE_RELEASE)
    )
    key = signing_key(cache)
    ingredients = {"loose": loose.name, "archived": archived.name, "layout": _LAYOUT, "key": key.fingerprint}
    return cache.folder("mirror", ingredients, partial(_make, loose, archived, key, on_event))


def both_folder(builders: Mapping[str, GoBuilder], cache: Cache, on_event: OnEvent, *, tolerant: bool) -> Path:
    """Return a folder as the mirror serves it, with the release of archives alone, for several processors.

    Args:
        builders: by the processors' names, as `uname -m` prints them.
        cache: where it is kept.
        on_event: hears what is being done.
        tolerant: as for `gvisor`.
    """
    component = gvisor(ARCHIVE_RELEASE, tolerant=tolerant)
    built = {machine: builder.build(component) for machine, builder in builders.items()}
    key = signing_key(cache)
    ingredients = {"layout": _LAYOUT, "key": key.fingerprint} | {name: each.name for name, each in built.items()}
    return cache.folder("processors", ingredients, partial(_make_both, built, key, on_event))


def _make_both(built: Mapping[str, Path], key: SigningKey, on_event: OnEvent, folder: Path) -> None:
    release = folder / BASE_PATH / "release" / ARCHIVE_RELEASE
    for machine, programs in built.items():
        with step(on_event, f"compressing gVisor {ARCHIVE_RELEASE} for {machine}"):
            content = zstandard.ZstdCompressor(level=1).compress(release_archive(_members(programs)))
            _publish(release / machine, "gvisor.tar.zstd", content)
    with step(on_event, f"signing an apt suite of gVisor {ARCHIVE_RELEASE}"):
        members = {machine: _members(programs) for machine, programs in built.items()}
        _publish_suite(folder / BASE_PATH, ARCHIVE_RELEASE, members, key)
    shutil.copy(key.public, folder / "archive.key")


def _make(loose: Path, archived: Path, key: SigningKey, on_event: OnEvent, folder: Path) -> None:
    releases = folder / BASE_PATH / "release"
    with step(on_event, f"laying out gVisor {LOOSE_RELEASE}"):
        for name in ("runsc", "containerd-shim-runsc-v1"):
            _publish(releases / LOOSE_RELEASE / platform.machine(), name, (loose / name).read_bytes())
    tar = release_archive(_members(archived))
    compressions: Mapping[str, Callable[[bytes], bytes]] = {
        "gvisor.tar.zstd": zstandard.ZstdCompressor(level=6).compress,
        "gvisor.tar.bz2": bz2.compress,
    }
    for name, compress in compressions.items():
        with step(on_event, f"compressing gVisor {ARCHIVE_RELEASE}: {name}"):
            _publish(releases / ARCHIVE_RELEASE / platform.machine(), name, compress(tar))
    (releases / "latest").symlink_to(ARCHIVE_RELEASE)
    (releases / ARCHIVE_RELEASE.partition(".")[0]).symlink_to(ARCHIVE_RELEASE)
    loose_members = {name: (loose / name).read_bytes() for name in ("runsc", "containerd-shim-runsc-v1")}
    for release, members in ((LOOSE_RELEASE, loose_members), (ARCHIVE_RELEASE, _members(archived))):
        with step(on_event, f"signing an apt suite of gVisor {release}"):
            _publish_suite(folder / BASE_PATH, release, {platform.machine(): members}, key)
    shutil.copy(key.public, folder / "archive.key")


def _publish_suite(root: Path, release: str, members: Mapping[str, Mapping[str, bytes]], key: SigningKey) -> None:
    """Write a suite with a package for each processor, of its members."""
    names = {DEBIAN_NAMES[machine]: files for machine, files in members.items()}
    packages = [
        ("runsc", release, debian, package("runsc", release, debian, each)) for debian, each in names.items()
    ]
    write_suite(root, release.partition(".")[0], packages, key)


def _members(archived: Path) -> Mapping[str, bytes]:
    runsc = (archived / "runsc").read_bytes()
    return {
        "runsc": runsc,
        "containerd-shim-runsc-v1": (archived / "containerd-shim-runsc-v1").read_bytes(),
        # gVisor's Go module has no sidecar programs. A copy of runsc under the name of one is enough for
        # runsc to run it and to panic when it is of another release.
        "gvisor-bin/gvisor_sentry": runsc,
    }


def _publish(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    (folder / f"{name}.sha512").write_text(sha512_line(content, name))
