"""Files of this machine: those of others are read within limits, our own are written whole or not at all."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nodeprov.errors import NodeprovError, UsageError

LARGEST_BYTES = 16 << 20
"""Larger than any inventory, plan or known_hosts file."""
_WITHOUT_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has no hard links: FAT, some of the network."""
_MOST_LINKS = 40
"""One behind another, as the kernel follows them."""


def expanded(path: str) -> Path:
    """Replace ~ and ~user by the home folder; for a user that does not exist the path stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's own raises RuntimeError there


def cache_folder() -> Path:
    """Return the folder of the cache: $NODEPROV_CACHE, else nodeprov's in the user's own cache."""
    import platformdirs

    return Path(os.environ.get("NODEPROV_CACHE") or platformdirs.user_cache_path("nodeprov"))


def read_bounded(path: Path, what: str, hint: str, *, replacing: bool = False) -> str:
    """Read a text file; raise UsageError, naming what it is, if it cannot be read, is no text or too large.

    Args:
        path: the file.
        what: what it is.
        hint: what to type next if it cannot be read.
        replacing: bytes that are no text are replaced by a sign for that: a log may have anything in it.
    """
    try:
        with path.open("rb") as file:
            return text_of(file, replacing=replacing)
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", error))
    raise UsageError(f"cannot read the {what} {path}: {why}", hint)


def text_of(file: BinaryIO, *, replacing: bool = False) -> str:
    """Read the text of an open file, as `read_bounded` does; raise OSError, or ValueError that says why."""
    content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        return content.decode(errors="replace" if replacing else "strict")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None


def read_own(path: Path, most: int) -> bytes | None:
    """Read a file that nobody but us and root can have written; None where that is not so; raise OSError."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        is_own = found.st_uid in (0, os.geteuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return file.read(most) if is_own else None


@contextmanager
def in_words(said: str, hint: str) -> Iterator[None]:
    """Turn what the system answers into a UsageError: in another's folder one may not even look."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{said}: {error.strerror}", hint) from None


def refuse_existing(path: Path) -> None:
    """Raise UsageError if anything is at the path, a link to nowhere too; NodeprovError if it has no folder."""
    with in_words(f"cannot write {path}", "name a file in another folder"):
        is_taken, has_folder = path.is_symlink() or path.exists(), path.parent.is_dir()
    if is_taken:
        raise UsageError(f"{path} exists, and is left as it is", "name another file, or move it away")
    if not has_folder:
        said = f"cannot write {path}: {os.strerror(errno.ENOENT)}"
        raise NodeprovError(said, f"make the folder {path.parent}, or name a file in another folder")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet; raise UsageError if it does, NodeprovError if it cannot be written."""
    with new_file(path) as stream:
        stream.write(content)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that does not exist yet, whole or not at all; it appears when nothing was raised.

    Raises UsageError if it exists, NodeprovError if it cannot be written.
    """
    try:
        with _beside(path) as (file, stream):
            yield stream
            _sync(stream)
            with suppress(PermissionError):  # a stick's file system has no modes
                file.chmod(0o666 & ~_umask())
            _name(file, path)
    except FileExistsError:
        refuse_existing(path)
    except OSError as error:
        raise NodeprovError(f"cannot write {path}: {error.strerror}", "name a file in another folder") from None


def _name(file: Path, path: Path) -> None:
    """Give a file its name; raise FileExistsError if that is taken."""
    try:
        path.hardlink_to(file)  # unlike a rename it fails if the path exists
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        refuse_existing(path)
        file.rename(path)


def write_whole(path: Path, content: bytes, *, option: str) -> None:
    """Write or replace a file that others may read; raise UsageError, with the option, if that cannot be.

    What is there and is no file (a pipe, a terminal, /dev/stdout, /dev/null) stays, and is written to.
    """
    _replace(path, content, option, mode=0o666 & ~_umask())


def write_private(path: Path, content: bytes, *, option: str = "--out") -> None:
    """Write or replace a file that only we may read, as `write_whole` does."""
    _replace(path, content, option, mode=0o600)


def _replace(path: Path, content: bytes, option: str, *, mode: int) -> None:
    try:
        if not path.name or path.is_dir():
            raise UsageError(f"cannot write {path}: it is a folder", f"name a file: {option} FILE")
        if path.is_block_device():  # whose first blocks would be gone
            raise UsageError(f"cannot write {path}: it is a disk", f"name a file: {option} FILE")
        if (descriptor := _descriptor(path)) is not None:
            _write_through(os.dup(descriptor), content)
        elif path.exists() and not path.is_file():
            _write_through(os.open(path, os.O_WRONLY | os.O_NOCTTY), content)
        else:
            with _written_beside(path, content) as file:
                file.chmod(mode)
                file.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", f"name another place: {option} FILE") from None


def _write_through(descriptor: int, content: bytes) -> None:
    """Write to what is no file: a rename would put a file in its place, for root even in that of a device."""
    with os.fdopen(descriptor, "wb") as stream:
        if sys.stdout is not None:
            sys.stdout.flush()  # what was printed before comes before it
        stream.write(content)


def _descriptor(path: Path) -> int | None:
    """Return which of our own open files a path is (/dev/stdout, /dev/fd/3), whatever that is; None for others.

    Opened by its path once more, a file would have a second position, and what is printed would write over it.
    """
    own = ("/dev/fd", f"/proc/{os.getpid()}/fd")
    for _ in range(_MOST_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) in own:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """Write a private file in the same folder and sync it; remove it in the end, unless it was renamed."""
    with _beside(path) as (file, stream):
        stream.write(content)
        _sync(stream)
        yield file


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    import tempfile

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    file = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield file, stream
    finally:
        file.unlink(missing_ok=True)


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
