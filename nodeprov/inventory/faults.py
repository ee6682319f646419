"""What is wrong with an inventory: no TOML, or all faults at once, each with its line and the way out."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import MALFORMED, NodeprovError, UsageError, toml_table
from nodeprov.toml import KeyPath, Lines, Statement, assignment, key_text, statements


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the path to it, what, and the way out.

    `place` is where it was set if that is not the file: an environment variable or an option.
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
        """Return each fault as an error of its own, in the order of the file."""
        known = Lines(self._text)
        lines = {each: known.of(each.path) if each.path and not each.place else None for each in self.faults}
        ordered = sorted(self.faults, key=lambda fault: (bool(fault.place), lines[fault] or 0))
        return tuple(self._part(fault, lines[fault]) for fault in ordered)

    def _part(self, fault: Fault, line: int | None) -> NodeprovError:
        place = fault.place or (f"{self.where}:{line}" if line else self.where)
        name = f"{_named(fault.path)} " if fault.path and not fault.place else ""
        return UsageError(f"{name}{fault.message}", fault.hint, where=place)


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that was perhaps meant, or list all."""
    import difflib  # 3 ms, for who has mistyped something

    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def _named(path: KeyPath) -> str:
    return f"[{key_text(path[:-1])}] {key_text(path[-1:])}" if len(path) > 1 else f"[{key_text(path)}]"


_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
_TABLE_TWICE = re.compile(r"Cannot declare \((?P<parts>.*)\) twice")


def document(text: str, path: str) -> dict[str, Any]:
    """Read a TOML text; raise UsageError with the line, what is wrong with it, and the way out, if it is none."""
    try:
        return toml_table(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib counts lines and columns in such a text too.
        raise _explained(text.replace("\r\n", "\n"), str(error), path) from None
    except MALFORMED as error:  # a list in a list without end, a number of thousands of digits
        hint = "look for a list in a list in a list, and for a number of very many digits"
        raise UsageError(f"not valid TOML: {_lower(str(error))[:60]}", hint, where=path) from None


def _explained(text: str, said: str, path: str) -> UsageError:
    place = _PLACE.search(said)
    reason = said[: place.start()] if place else said
    if place is None or place["line"] is None:
        hint = "a string, a list or a table before it is not closed"
        return UsageError(f"not valid TOML: {_lower(reason)} at the end of the file", hint, where=path)
    number = int(place["line"])
    where = f"{path}:{number}"
    lines = text.split("\n")  # where TOML has line breaks; splitlines has more
    before, line = "\n".join(lines[: number - 1]), lines[number - 1].strip()
    if twice := _TABLE_TWICE.match(reason):
        table = tuple(re.findall(r"'([^']*)'", twice["parts"]))
        return _twice(f"[{key_text(table)}]", before, table, where)
    if reason == "Cannot overwrite a value" and (statement := _statement(text, number)):
        return _key_twice(text[: statement.start], statement.path, f"{path}:{statement.line}")
    if text.startswith("\ufeff"):
        message = "not valid TOML: it begins with a mark of the byte order (BOM), which editors do not show"
        return UsageError(message, "save it as UTF-8 without BOM", where=where)
    message = f"not valid TOML: {_lower(reason)}, at column {place['column']} of `{line[:100]}`"
    return UsageError(message, _hint(line), where=where)


def _twice(name: str, before: str, path: KeyPath, where: str) -> UsageError:
    first = Lines(before).of(path)
    message = f"{name} is there twice" + (f"; line {first} has it too" if first else "")
    return UsageError(message, "write it once, with everything in it", where=where)


def _key_twice(before: str, path: KeyPath, where: str) -> UsageError:
    name = f"[{key_text(path[:-1])}] {key_text(path[-1:])}" if path[:-1] else key_text(path)
    above_it = [path[:depth] for depth in range(1, len(path))]
    above = [each for each in statements(before) if each.kind == "key" and each.path in above_it]
    if not above:
        return _twice(name, before, path, where)
    message = f"{name} is below {key_text(above[0].path)}, and line {above[0].line} has all of that"
    return UsageError(message, "write it there", where=where)


def _statement(text: str, number: int) -> Statement | None:
    """Find the key's statement that a line belongs to; what is behind it need not be TOML."""
    for statement in statements(text):
        if statement.line + text[statement.start : statement.end].count("\n") > number:
            return statement if statement.kind == "key" else None
    return None


def _hint(line: str) -> str:
    found = assignment(line)
    if found is None:
        return "a table begins with [NAME], a key is written KEY = VALUE"
    value = found[1].partition("#")[0].strip()
    if value[:1] in ('"', "'") and (len(value) == 1 or value[-1] != value[0]):
        return f"the string is not closed: it wants a {value[0]} at its end"
    if re.fullmatch(r"[^\"'\[\]{}\\]+", value):
        return f'a string is quoted: {key_text(found[0])} = "{value}"'
    return "a string is quoted, a list is written in [ ], a table in { }"


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
