"""One table of a TOML text: put in, changed, taken out, and every other byte left as it is.

The text is cut and spliced, never written anew. No splice is trusted: what TOML says of the new text must be what
it said of the old one and exactly the change, and the rest must be the same bytes.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.containerd.splices import appended, cut, into_inline, sections, with_value, without_keys
from nodeprov.containerd.values import inline_above, is_below
from nodeprov.errors import NodeprovError
from nodeprov.toml import KeyPath, dotted, statements

BYTE_ORDER_MARK = "\ufeff"


class Refused(NodeprovError):
    """The edit cannot be made, or would not do what is meant."""


@dataclass(frozen=True, slots=True)
class Float:
    """A float as it is written, so that equal is the same: a NaN is not equal to itself, and 1.0 is equal to 1."""

    said: str

    def __bool__(self) -> bool:
        """Tell zero from the others, as numbers do."""
        return float(self.said) != 0


def parsed(text: str) -> dict[str, Any]:
    """Read a TOML text, with or without a byte order mark; raise Refused, saying where, if it is none."""
    try:
        return tomllib.loads(text.removeprefix(BYTE_ORDER_MARK), parse_float=Float)
    except (ValueError, RecursionError) as error:
        raise Refused(f"not valid TOML: {error}", "containerd cannot start with it: correct it first") from error


def table_at(document: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any] | None:
    """Find the table at a path; None if nothing, or something else, is there."""
    inner: Any = document
    for part in path:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, Mapping) else None


def insert(text: str, path: KeyPath, table: Mapping[str, Any], comment: str) -> str:
    """Put a table in that is not there; `remove` gives the very same text back.

    A block at the end, under a comment, is valid wherever the tables above are not inline: sub-tables may be added
    to tables made by headers, by dotted keys, or by neither. Where one is inline, the table goes into that.
    Raises Refused where something else than a table is on the way.
    """
    inline = inline_above(text, path)
    new = into_inline(text, inline, path, table) if inline else appended(text, path, table, comment)
    return _guarded(text, new, path, table, lambda: remove(new, path, comment) == text)


def change(text: str, path: KeyPath, table: Mapping[str, Any]) -> str:
    """Make the table that is there hold `table`, value by value, each in its place."""
    before, after = (dict(_leaves(each, path)) for each in (table_at(parsed(text), path) or {}, table))
    new = text
    for key in before.keys() - after.keys():
        new = without_keys(new, key)
    for key, value in after.items():
        if key not in before or before[key] != value:
            new = with_value(new, key, value)
    return _guarded(text, new, path, table, lambda: _others(new, path) == _others(text, path))


def remove(text: str, path: KeyPath, comment: str) -> str:
    """Take the table out that is there, however it is written, with its comment."""
    new = without_keys(cut(text, path, comment), path)
    return _guarded(text, new, path, None, lambda: _others(new, path, comment) == _others(text, path, comment))


def _guarded(
    text: str, new: str, path: KeyPath, table: Mapping[str, Any] | None, keeps: Callable[[], bool]
) -> str:
    """Return the new text if it changes what is meant and nothing else; raise Refused if not."""
    wanted = _pruned(_with(parsed(text), path, table), path)
    try:
        is_sound = _pruned(parsed(new), path) == wanted and keeps()
    except Refused:
        is_sound = False
    if not is_sound:
        raise Refused(
            f"[{dotted(path)}] cannot be edited without touching something else",
            f"write the tables above it with headers, such as [{dotted(path[:-1])}], and report the file's form",
        )
    return new


def _with(document: dict[str, Any], path: KeyPath, table: Mapping[str, Any] | None) -> dict[str, Any]:
    """Say what a document is with another table at the path, or with none."""
    inner: Any = document
    for depth, part in enumerate(path[:-1], start=1):
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Refused(
                f"{dotted(path[:depth])} is no table", "containerd cannot start with it: correct it first"
            )
    if table is None:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = copy.deepcopy(dict(table))
    return document


def _pruned(document: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    """Forget empty tables on the way: a header names them or does not, and it means the same."""
    if path and isinstance(inner := document.get(path[0]), dict) and not _pruned(inner, path[1:]):
        del document[path[0]]
    return document


def _leaves(table: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _others(text: str, path: KeyPath, comment: str | None = None) -> list[str]:
    """List what the text says that is neither the table nor the key it stands in, blank lines apart."""
    ours = [(first.start, last.end) for first, last, _ in sections(text, path)]
    return [
        said
        for statement in statements(text)
        if statement.kind != "blank"
        and not any(start <= statement.start < end for start, end in ours)
        and not (statement.kind == "key" and _is_on_the_way(statement.path, path))
        and (said := text[statement.start : statement.end].rstrip("\r\n")).strip() != comment
    ]


def _is_on_the_way(key: KeyPath, path: KeyPath) -> bool:
    return is_below(key, path) or is_below(path, key)
