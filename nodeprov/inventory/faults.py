"""What is wrong with an inventory: all of it at once, each fault with its line and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.toml import KeyPath, Lines, key_text


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the path to it, what, and the way out.

    `place` is where it was said if that is not the file: an environment variable or an option.
    """

    path: KeyPath
    message: str
    hint: str = ""
    place: str = ""


class Faulty(UsageError):
    """All that is wrong with a file, and what is laid over it, at once, each with its line."""

    def __init__(self, faults: Sequence[Fault], text: str, file: str) -> None:
        super().__init__("; ".join(fault.message for fault in faults), where=file)
        self.faults = tuple(dict.fromkeys(faults))
        self._text = text

    def __str__(self) -> str:
        return "\n".join(str(part) for part in self.parts())

    def parts(self) -> tuple[NodeprovError, ...]:
        """Say each fault by itself, in the order of the file."""
        known = Lines(self._text)
        lines = {each: known.of(each.path) if each.path and not each.place else None for each in self.faults}
        ordered = sorted(self.faults, key=lambda fault: (bool(fault.place), lines[fault] or 0))
        return tuple(self._part(fault, lines[fault]) for fault in ordered)

    def _part(self, fault: Fault, line: int | None) -> NodeprovError:
        place = fault.place or (f"{self.where}:{line}" if line else self.where)
        name = f"{_named(fault.path)} " if fault.path and not fault.place else ""
        return UsageError(f"{name}{fault.message}", fault.hint, where=place)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was perhaps meant, or which there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def _named(path: KeyPath) -> str:
    return f"[{key_text(path[:-1])}] {key_text(path[-1:])}" if len(path) > 1 else f"[{key_text(path)}]"
