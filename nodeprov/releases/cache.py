"""Where an unpacked release is kept on this machine: an entry is complete or absent."""

import errno
import hashlib
import json
import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type
from nodeprov.releases.pace import Progress
from nodeprov.states import TreeEntry, TreeState

PROGRAM_MODE = 0o755
PACKAGES, PACKAGES_LOCK = "packages", "packages.lock"
"""The folder of what was measured of Debian packages, and the lock that a run holds while it measures one."""

_FORMAT = 1
_DEPTH = 4
"""An entry is cache/releases/origin/version/architecture."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of the tree, as it was when it was verified.

    Nodes have sha256sum; a lock has SHA-512, as its sources do. An entry of an earlier nodeprov has "" for that.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    sha512: str = ""

    def sha512_in(self, tree: Path) -> str:
        """Return its SHA-512 digest in hex, which is computed if it was not kept."""
        return self.sha512 or _digest(tree / self.path, "sha512")


@dataclass(frozen=True, slots=True)
class Entry:
    """A release in the cache: how it was published, the artifacts' verified digests, and the unpacked files.

    `size_bytes` has the artifacts' sizes; an entry of an earlier nodeprov has none.
    """

    layout: str
    sha512: Mapping[str, str]
    files: tuple[CachedFile, ...]
    size_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def tree(self) -> TreeState:
        """What the tree must be on a node."""
        return TreeState(tuple(sorted(TreeEntry(file.path, PROGRAM_MODE, file.sha256) for file in self.files)))


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """Where the entry of one release for one architecture lies; `staging` beside it is for making it."""

    path: Path

    @classmethod
    def of(cls, cache: Path, base_url: str, version: str, architecture: str) -> Self:
        """Find the folder: each origin has its own, for its bytes may differ under the same version."""
        host = urlsplit(base_url).hostname or "folder"
        origin = f"{host}-{hashlib.sha256(base_url.encode()).hexdigest()[:8]}"
        return cls(cache / "releases" / origin / version / architecture)

    @property
    def tree(self) -> Path:
        """The unpacked release."""
        return self.path / "tree"

    @property
    def staging(self) -> Path:
        """Downloads and unpacked files; kept after an interrupted run, so that the next one continues."""
        return self.path.with_name(f"{self.path.name}.partial")

    def read(self) -> Entry | None:
        """Read the entry; `None` if there is none, or if its files are no longer those that were verified.

        Names, sizes and times are compared, and the digest of a file whose time is another (a copied cache).
        More is not needed for a release to be installed right: each node verifies each file. Hashing 330 MB
        would cost a second of every run that has nothing to do. That all digests are taken from here is why nobody
        else may write here: raises NodeprovError where somebody can.
        """
        self._insist_that_it_is_ours()
        try:
            record = json.loads((self.path / "record.json").read_bytes())
            entry = _entry(record) if record["format"] == _FORMAT else None
        except (FileNotFoundError, NotADirectoryError, *MALFORMED_JSON):
            return None
        return entry if entry is not None and self._is_intact(entry) else None

    def _insist_that_it_is_ours(self) -> None:
        insist_on_ours(*reversed(self.path.parents[:_DEPTH]), self.path, self.path / "record.json")

    def store(self, tree: Path, layout: str, sha512: Mapping[str, str], size_bytes: Mapping[str, int]) -> Entry:
        """Move a verified tree here, by one rename; whoever calls holds the lock."""
        prepared = self.staging / "entry"
        shutil.rmtree(prepared, ignore_errors=True)
        prepared.mkdir(parents=True)
        tree.rename(prepared / "tree")
        files = tuple(_verified(path, prepared / "tree") for path in _files(prepared / "tree"))
        entry = Entry(layout, dict(sha512), files, dict(size_bytes))
        (prepared / "record.json").write_text(json.dumps({"format": _FORMAT, **asdict(entry)}, indent=1))
        if self.path.exists():  # damaged, or made of what is not pinned
            shutil.rmtree(prepared.with_name("replaced"), ignore_errors=True)
            self.path.rename(prepared.with_name("replaced"))
        prepared.rename(self.path)
        shutil.rmtree(self.staging)
        return entry

    def discard(self) -> None:
        """Remove what was being made; whoever calls holds the lock."""
        shutil.rmtree(self.staging, ignore_errors=True)

    def version_made_of(self, sha512: Mapping[str, str], beginning: str = "") -> str | None:
        """Find a version from the same origin that is here already, made of the very same artifacts."""
        for folder in self.path.parent.parent.glob(f"{beginning or '*.'}*/{self.path.name}"):
            entry = CacheFolder(folder).read()
            if entry is not None and entry.sha512 == sha512:
                return folder.parent.name
        return None

    @contextmanager
    def locked(self, on_progress: Progress) -> Iterator[None]:
        """Keep other runs from making this entry; `on_progress` is called if one is doing so already."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_name(f"{self.path.name}.lock"), on_progress):
            yield

    def _is_intact(self, entry: Entry) -> bool:
        found = {path.relative_to(self.tree).as_posix(): path for path in _files(self.tree)}
        return found.keys() == {file.path for file in entry.files} and all(
            _is_same(found[file.path], file) for file in entry.files
        )


@contextmanager
def locked(file: Path, on_progress: Progress) -> Iterator[None]:
    """Hold a lock of this machine; `on_progress` is called if another run has it."""
    from filelock import FileLock, Timeout  # 40 ms that a hit need not pay

    lock = FileLock(file)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        on_progress("waiting for another run", 0, None)
        held = lock.acquire()
    with held:
        yield


def insist_on_ours(*places: Path) -> None:
    """Raise NodeprovError where somebody else may write to a place in the cache."""
    for place in places:
        with suppress(FileNotFoundError, NotADirectoryError):
            found = place.stat()
            if found.st_uid not in (0, os.geteuid()) or found.st_mode & stat.S_IWOTH:
                raise NodeprovError(
                    f"{place} is somebody else's, or everybody may write there: it may hold other programs",
                    "keep releases where only you may write: NODEPROV_CACHE=FOLDER",
                )


@contextmanager
def explain_disk_errors(cache: Path) -> Iterator[None]:
    """Turn an error of this machine's disk into one that names what to do."""
    try:
        yield
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        if error.errno in _FULL:
            hint = f"make room in {cache}: a release needs about 600 MB; what arrived is kept"
        else:
            hint = f"look at who may write to {cache}: ls -ld {shlex.quote(str(cache))}"
        where = str(error.filename or cache)
        raise NodeprovError(f"the release cannot be kept: {said}", hint, where=where) from error


def _entry(record: Mapping[str, Any]) -> Entry:
    """Read an entry's record; raise one of MALFORMED_JSON where it is damaged."""
    files = tuple(CachedFile(**file) for file in record["files"])
    for file in files:
        for text in (file.path, file.sha256, file.sha512):
            of_type(str, text)
    return Entry(of_type(str, record["layout"]), dict(record["sha512"]), files, dict(record.get("size_bytes", {})))


def _files(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir()]


def _verified(path: Path, tree: Path) -> CachedFile:
    path.chmod(PROGRAM_MODE)
    status = path.stat()
    sha256, sha512 = _digest(path, "sha256"), _digest(path, "sha512")
    return CachedFile(path.relative_to(tree).as_posix(), status.st_size, status.st_mtime_ns, sha256, sha512)


def _is_same(path: Path, file: CachedFile) -> bool:
    status = path.lstat()
    if path.is_symlink() or status.st_size != file.size_bytes:
        return False
    return status.st_mtime_ns == file.mtime_ns or _digest(path, "sha256") == file.sha256


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
