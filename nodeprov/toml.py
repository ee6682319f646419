"""TOML as text: where each statement of a file stands, and how keys and values are written."""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Literal

_KEY_PART = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"[ \t]*({_KEY_PART}(?:[ \t]*\.[ \t]*{_KEY_PART})*)[ \t]*=")

TOKEN = re.compile(
    r""""{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:\\[^\n]|[^"\\\n])*"|'[^'\n]*'|#[^\n]*"""
    r"""|[^"'#\[\]{},\n]+|.""",
    re.DOTALL,
)
"""A string, a comment, a bracket, a comma, a line break, or what lies between; together they are all of it."""

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Float:
    """A float as it is written, so that equal is the same: a NaN is not equal to itself, and 1.0 is equal to 1."""

    said: str

    def __bool__(self) -> bool:
        """Tell zero from the others, as numbers do."""
        return float(self.said) != 0


@dataclass(frozen=True, slots=True)
class Statement:
    """Whole lines of a text that say one thing; `line` counts from 1, `start` and `end` are offsets.

    The path of a header is the table's, the path of a key is the table's with the key's; blank lines and
    comments have none.
    """

    kind: Literal["blank", "comment", "header", "key"]
    path: KeyPath
    line: int
    start: int
    end: int


def statements(text: str) -> Iterator[Statement]:
    """Read the statements of a valid TOML text in order; together they are the whole text."""
    table: KeyPath = ()
    start, line = 0, 1
    while start < len(text):
        end = _end(text, start)
        said = text[start:end]
        kind, path = _meaning(said, table)
        if kind == "header":
            table = path
        yield Statement(kind, path, line, start, end)
        line += said.count("\n")
        start = end


class Lines:
    """Where each table and key of a valid TOML text stands; the text is read once."""

    def __init__(self, text: str) -> None:
        self._first: dict[KeyPath, int] = {}
        self._keys: dict[KeyPath, int] = {}
        for statement in statements(text):
            for depth in range(1, len(statement.path) + 1):
                self._first.setdefault(statement.path[:depth], statement.line)
            if statement.kind == "key":
                self._keys.setdefault(statement.path, statement.line)

    def of(self, path: KeyPath) -> int | None:
        """Return the line on which a table or key is first named, or what is nearest to it; None if nothing is.

        A table may have no header of its own: then the first header or key below it stands for it, and for a key
        in an inline table the line on which that begins.
        """
        if path in self._first:
            return self._first[path]
        above = (self._keys.get(path[:depth]) for depth in range(1, len(path)))
        return next((line for line in above if line), None)


def line_of(text: str, path: KeyPath) -> int | None:
    """Return the line on which a table or key is first named, as `Lines` does, for one question."""
    return Lines(text).of(path)


def assignment(text: str) -> tuple[KeyPath, str] | None:
    """Take `a."b.c".d=value` apart into a key and the text behind the sign; None if no key begins it."""
    key = _KEY.match(text)
    try:
        return (_only_path(tomllib.loads(f"{key[1]} = 0")), text[key.end() :]) if key else None
    except tomllib.TOMLDecodeError:  # an escape that is none, in a quoted part
        return None


def key_text(path: KeyPath) -> str:
    """Write a path as TOML does: `plugins."io.containerd.cri.v1.runtime".containerd`."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else value_text(part) for part in path)


def value_text(value: Any) -> str:
    """Write a value as TOML does, on one line; a path is a string there."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key_text((name,))} = {value_text(each)}" for name, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(each) for each in value)}]"
    if isinstance(value, Float):
        return value.said
    if isinstance(value, date | time):
        return value.isoformat()
    # JSON's strings are TOML's too, but that TOML wants this one character escaped.
    return json.dumps(value, ensure_ascii=False, default=os.fspath).replace("\x7f", "\\u007f")


def tables_text(tables: Mapping[str, Any], path: KeyPath = ()) -> str:
    """Write a document: keys first, then each table under a header of its own."""
    keys = {name: value for name, value in tables.items() if not isinstance(value, Mapping)}
    head = f"\n[{key_text(path)}]\n" if path else ""
    own = "".join(f"{key_text((name,))} = {value_text(value)}\n" for name, value in keys.items())
    inner = (tables_text(value, (*path, name)) for name, value in tables.items() if name not in keys)
    return "".join([head, own, *inner])


def line_end(text: str) -> str:
    """Return how the lines of a text end."""
    return "\r\n" if "\r\n" in text else "\n"


def _end(text: str, start: int) -> int:
    """Find where the statement ends: a line break ends it unless a string or a bracket is still open."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        elif token[0] == "\n" and depth <= 0:
            return token.end()
    return len(text)


def _meaning(said: str, table: KeyPath) -> tuple[Literal["blank", "comment", "header", "key"], KeyPath]:
    bare = said.strip(" \t\r\n")
    if not bare:
        return "blank", ()
    if bare.startswith("#"):
        return "comment", ()
    if bare.startswith("["):
        return "header", _only_path(tomllib.loads(said))
    key = _KEY.match(said)
    return "key", (*table, *_only_path(tomllib.loads(f"{key[1]} = 0"))) if key else table


def _only_path(value: dict[str, Any]) -> KeyPath:
    """Follow the only way down: {"a": {"b": [{}]}} is ("a", "b")."""
    path: list[str] = []
    inner: Any = value
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        path.append(name)
    return tuple(path)
