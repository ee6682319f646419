"""Where this machine keeps what was downloaded or built."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Name the folder: $NODEPROV_CACHE, else the user's own cache."""
    return Path(os.environ.get("NODEPROV_CACHE") or user_cache_path("nodeprov"))
