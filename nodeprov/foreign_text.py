"""Text that somebody else has written: read up to a limit, and understood or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nodeprov.errors import MALFORMED

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
