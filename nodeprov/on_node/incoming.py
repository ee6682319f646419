"""The release that a pod has brought to its node: taken only if it is what the lock says, file by file."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.inventory import ReleaseSettings
from nodeprov.releases.cache import CachedFile, Entry
from nodeprov.releases.lock import Lock, LockedBuild
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import Software

_HINT = "the image has another release, or was altered; make it again: nodeprov image --release VERSION FILE"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Incoming:
    """Releases in a folder of the node that is mounted here.

    Args:
        releases: the folder.
        name: what a run's own release is called in it.
        lock: which bytes it must have.
        where: the lock's name, for messages.
        on_wait: called before each file is read; what it raises ends the reading.
    """

    releases: Path
    name: str
    lock: Lock
    where: str
    on_wait: Callable[[], None] = lambda: None

    def obtained(self, _software: Software, wanted: ReleaseSettings, architecture: str) -> Release:
        """Return the release, every byte of it verified.

        What was brought is gone where the run had come to its end and was killed then; what it has installed lies
        beside it.

        Raises:
            NodeprovError: nothing was brought, or something else than what is locked.
        """
        self.lock.insist_on(wanted.version, where=self.where)
        build = self.lock.build(architecture, where=self.where)
        brought = self.releases / self.name
        if brought.is_dir():
            return self._read(brought, build, architecture)
        for folder in sorted(self.releases.glob(f"{self.lock.release}-*")):
            if not any(_differences(folder, build)):
                return self._read(folder, build, architecture)
        raise NodeprovError(
            f"the image of the release has brought nothing: {self.name} is not among the node's releases",
            "look at the pod's first container: kubectl logs POD --container release --namespace NAMESPACE",
        )

    def older_than(self, time: float) -> tuple[str, ...]:
        """Name what other runs have left, brought before a time (seconds since the epoch)."""
        others = (path for path in self.releases.glob(".incoming-*") if path.name != self.name)
        return tuple(path.name for path in others if path.lstat().st_mtime < time)

    def _read(self, folder: Path, build: LockedBuild, architecture: str) -> Release:
        for said in _differences(folder, build):
            raise NodeprovError(f"the release that was brought is not what {self.where} has: {said}", _HINT)
        members = tuple(self._measured(folder, name) for name in sorted(build.members))
        sizes = {name: file.size_bytes for name, file in build.artifacts.items()}
        entry = Entry(build.layout, build.pins, members, sizes)
        it = (self.lock.release, architecture, build.layout, folder)
        release = Release(*it, entry.tree, build.pins, sizes, members)
        try:
            self.lock.check(release, where=self.where)
        except NodeprovError as error:
            error.hint = _HINT
            raise
        return release

    def _measured(self, folder: Path, name: str) -> CachedFile:
        """Read a file once for both digests: a node has sha256sum, a lock has SHA-512."""
        self.on_wait()
        sha256, sha512 = hashlib.sha256(), hashlib.sha512()
        path = folder / name
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                sha256.update(chunk)
                sha512.update(chunk)
            found = os.fstat(file.fileno())
        return CachedFile(name, found.st_size, found.st_mtime_ns, sha256.hexdigest(), sha512.hexdigest())


def _differences(folder: Path, build: LockedBuild) -> Iterator[str]:
    """Compare names, kinds and sizes: of what is not a regular file, or too large, nothing is read."""
    found = {path.relative_to(folder).as_posix(): path.lstat() for path in _files(folder)}
    if not found:
        yield "it is empty"
    for name in sorted({*found, *build.members}):
        if name not in build.members or name not in found:
            yield f"{name} is {'missing' if name not in found else 'not in the lock'}"
        elif not stat.S_ISREG(found[name].st_mode):
            yield f"{name} is not a regular file"
        elif found[name].st_size != build.members[name].size_bytes:
            yield f"{name} has {found[name].st_size} bytes, and should have {build.members[name].size_bytes}"


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path
