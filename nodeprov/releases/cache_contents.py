"""What the cache of this machine holds: whole releases, evidence, and what interrupted downloads have left."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov.releases.cache import PACKAGES, PACKAGES_LOCK, CacheFolder, insist_on_ours

PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Kept:
    """One release for one architecture, or what is left of its download.

    Args:
        origin: the folder of the origin that it is from: its host, and a part of its address' digest.
        version: the release.
        architecture: as `uname -m` prints it.
        size_bytes: what it takes on this disk.
        stored_at: when it was stored, in seconds since the epoch.
        path: its folder.
        state: "whole"; "partial" for what a download has left; "damaged" for what is not as it was stored.
    """

    origin: str
    version: str
    architecture: str
    size_bytes: int
    stored_at: float
    path: Path
    state: str = "whole"

    @property
    def is_whole(self) -> bool:
        """Tell whether a run can use it."""
        return self.state == "whole"


@dataclass(frozen=True, slots=True)
class KeptPackage:
    """What is kept of a Debian package that was evidence: the digests of its files, or a part of its download.

    Args:
        path: the file.
        size_bytes: what it takes on this disk.
        is_partial: whether it is what an interrupted download has left.
    """

    path: Path
    size_bytes: int
    is_partial: bool


def packages(cache: Path) -> tuple[KeptPackage, ...]:
    """List what is kept of packages; raise NodeprovError where somebody else may write there."""
    folder = cache / PACKAGES
    insist_on_ours(cache, folder)
    files = [each for each in sorted(folder.glob("*")) if each.is_file() and not each.is_symlink()]
    return tuple(KeptPackage(each, each.stat().st_size, each.suffix != ".json") for each in files)


def prune_packages(cache: Path) -> tuple[KeptPackage, ...] | None:
    """Remove what interrupted downloads of packages have left, and return it; None if a run is at one.

    The digests stay: they are some hundred bytes, and save a lock's evidence a download of the package.
    """
    from filelock import FileLock, Timeout  # 40 ms that listing need not pay

    if not any(each.is_partial for each in packages(cache)):
        return ()
    try:
        with FileLock(cache / PACKAGES_LOCK, timeout=0):
            left = tuple(each for each in packages(cache) if each.is_partial)
            for each in left:
                each.path.unlink(missing_ok=True)
    except Timeout:
        return None
    return left


def contents(cache: Path) -> tuple[Kept, ...]:
    """List the releases in a cache, by origin, version (the oldest first) and architecture.

    Raises NodeprovError where somebody else may write into it: nothing there is believed then.
    """
    found = [_kept(path) for path in sorted((cache / "releases").glob("*/*/*")) if path.is_dir()]
    return tuple(sorted(found, key=lambda each: (each.origin, _age(each.version), each.architecture)))


def superfluous(kept: Sequence[Kept], keep: int) -> tuple[Kept, ...]:
    """Find what can go: what is not whole, and all but an origin's newest `keep` versions."""
    found = []
    for each in kept:
        newer = {
            other.version
            for other in kept
            if other.is_whole
            and (other.origin, other.architecture) == (each.origin, each.architecture)
            and _age(other.version) > _age(each.version)
        }
        if not each.is_whole or len(newer) >= keep:
            found.append(each)
    return tuple(found)


def prune(some: Iterable[Kept]) -> tuple[Kept, ...]:
    """Remove some of the releases, unless a run is making one at this moment; return those that were removed."""
    removed = []
    for each in some:
        lock = each.path.with_name(f"{each.architecture}.lock")
        if _remove(each.path, lock):
            removed.append(each)
    return tuple(removed)


def _remove(path: Path, lock: Path) -> bool:
    from filelock import FileLock, Timeout  # 40 ms that listing need not pay

    try:
        with FileLock(lock, timeout=0):
            # By one rename: a release that is there is whole.
            gone = path.with_name(f"{path.name}.removed")
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
            shutil.rmtree(gone)
    except Timeout:
        return False
    lock.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
    return True


def _kept(path: Path) -> Kept:
    name = path.name
    is_partial = name.endswith((PARTIAL, ".removed"))
    state = "partial" if is_partial else "whole" if CacheFolder(path).read() is not None else "damaged"
    files = [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    return Kept(
        path.parent.parent.name,
        path.parent.name,
        name.removesuffix(PARTIAL).removesuffix(".removed"),
        sum(each.stat().st_size for each in files),
        path.stat().st_mtime,
        path,
        state,
    )


def _age(version: str) -> tuple[int, ...]:
    """Order versions: numbers by their value; what is no number comes first."""
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))
