"""Files of this machine: those of others, read within limits, and our own, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from nodeprov.errors import MALFORMED, NodeprovError, UsageError

LARGEST_BYTES = 16 << 20
"""No inventory, plan or known_hosts file has as much."""


def read_bounded(path: Path) -> str:
    """Read a file of this machine; raise OSError, or ValueError if it is no text or too large."""
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object; raise ValueError if it is something else, or nested beyond all reason."""
    try:
        value = json.loads(text)
    except MALFORMED as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def refuse_existing(path: Path) -> None:
    """Raise UsageError if anything is at the path, a link to nowhere too."""
    if path.is_symlink() or path.exists():
        raise UsageError(f"{path} exists, and is left as it is", "name another file, or move it away")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist; raise UsageError if it does, NodeprovError if it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o666 & ~_umask())
            path.hardlink_to(name)  # unlike a rename it fails where something is
        finally:
            Path(name).unlink()
    except FileExistsError:
        refuse_existing(path)
    except OSError as error:
        raise NodeprovError(f"cannot write {path}: {error.strerror}", "name a file in another folder") from None


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only we may read, by one rename; raise UsageError if that is not possible."""
    if not path.name or path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder", "name a file: --out FILE")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise UsageError(f"cannot write {path}: {error.strerror}", "name another place: --out FILE") from None


def expanded(path: str) -> Path:
    """Write ~ and ~user out; what names nobody stays as it is, and is then not found."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's own raises RuntimeError there


def cache_folder() -> Path:
    """Name the folder: $NODEPROV_CACHE, else the user's own cache."""
    return Path(os.environ.get("NODEPROV_CACHE") or user_cache_path("nodeprov"))
