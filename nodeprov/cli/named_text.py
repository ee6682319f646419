"""The text that a person names: a file, or - for standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from nodeprov.cli.output import say
from nodeprov.errors import UsageError
from nodeprov.local_files import read_bounded, text_of

INPUT = "standard input"


def place(name: str) -> str:
    """Return where a text is from, as errors say it."""
    return INPUT if name == "-" else name


def read(name: str, hint: str, *, replacing: bool = False) -> str:
    """Read it as `local_files.read_bounded` does; raise UsageError."""
    if not name:
        raise UsageError("the name of a file is empty", hint)
    if name != "-":
        return read_bounded(Path(name), "file", hint, replacing=replacing)
    try:
        if sys.stdin is None:  # whoever has started us has closed it
            raise ValueError("it is closed")
        if sys.stdin.isatty():
            say("type or paste the text, then press Ctrl-D")
        return text_of(sys.stdin.buffer, replacing=replacing)
    except (OSError, ValueError) as error:
        raise UsageError(str(getattr(error, "strerror", error)), hint, where=INPUT) from None
