"""Paths of this machine as a person writes them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str) -> Path:
    """Write ~ and ~user out; what names nobody stays as it is, and is then not found."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's own raises RuntimeError there
