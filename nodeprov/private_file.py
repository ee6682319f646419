"""Files on this machine that only their owner may read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from nodeprov.errors import UsageError


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
