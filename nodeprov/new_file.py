"""A file of ours that is new: it is complete or not there, and nothing that exists is ever replaced."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nodeprov.errors import NodeprovError, UsageError


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
