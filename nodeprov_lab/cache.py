"""Folders that are slow to make, kept under the digest of what they are made of."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from nodeprov_lab.host import mounts_below


def digest_of(ingredients: Mapping[str, str]) -> str:
    """Name what is made of these ingredients; the same ingredients in another order are the same."""
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:16]


class Cache:
    """A folder of such folders, safe to be used by several runs and after a killed one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str, ingredients: Mapping[str, str], make: Callable[[Path], None]) -> Path:
        """Return the folder made of the ingredients; call `make` with a new empty folder when there is none.

        The folder gets its name only when it is complete, and one run makes it while others wait.
        """
        key = f"{name}-{digest_of(ingredients)}"
        kept = self.root / key
        if kept.is_dir():
            return kept
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / f".{key}.lock"):
            if not kept.is_dir():
                self._make(kept, make)
        return kept

    def _make(self, kept: Path, make: Callable[[Path], None]) -> None:
        prefix = f".{kept.name}.unfinished-"
        for abandoned in self.root.glob(f"{prefix}*"):  # by a killed run, since we hold the lock
            # A program that it started may be writing there still: hence a new name for each try.
            if not mounts_below(abandoned):  # the kernel's own folders, perhaps
                shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=self.root))
        try:
            unfinished.chmod(0o755)
            make(unfinished)
        except Exception:
            if not mounts_below(unfinished):
                shutil.rmtree(unfinished, ignore_errors=True)
            raise
        os.sync()  # its name must not reach the disk before its bytes
        unfinished.rename(kept)
