"""Files that a lab puts on its machines."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file of root's at an absolute path."""

    path: str
    content: bytes
    mode: int = 0o644


def archive(files: Sequence[NodeFile]) -> bytes:
    """Write the files as a tar archive to be unpacked at the root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            tar.addfile(entry, io.BytesIO(file.content))
    return out.getvalue()


def write_below(root: Path, files: Sequence[NodeFile]) -> None:
    """Write the files into a machine's root folder, before it boots."""
    for file in files:
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=file.mode)
        path.chmod(file.mode)
        path.write_bytes(file.content)
