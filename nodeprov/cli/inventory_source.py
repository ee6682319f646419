"""The inventory of a command: found, read, and laid over by --set and the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nodeprov.cli.output import say
from nodeprov.inventory import Inventory, file, parse


def load(inventory: Path | None, sets: Sequence[str] | None) -> Inventory:
    """Find and read the inventory; say which one it is, unless it was named."""
    return load_with_text(inventory, sets)[0]


def load_with_text(inventory: Path | None, sets: Sequence[str] | None) -> tuple[Inventory, str]:
    """Find and read the inventory, with what is laid over it, and its text."""
    found = file.find(inventory, os.environ, Path.cwd())
    if found.by:
        say(f"inventory: {found.path} ({found.by})")
    text = file.read(found)
    return parse(text, str(found.path), environment=os.environ, options=sets or ()), text
