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

from nodeprov.containerd.values import Inline, Value, inline_above, is_below, value_of
from nodeprov.errors import NodeprovError
from nodeprov.statements import KeyPath, Statement, dotted, literal, statements

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
    except (tomllib.TOMLDecodeError, RecursionError) as error:
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
    new = _into(text, inline, path, table) if inline else _appended(text, path, table, comment)
    return _guarded(text, new, path, table, lambda: remove(new, path, comment) == text)


def change(text: str, path: KeyPath, table: Mapping[str, Any]) -> str:
    """Make the table that is there hold `table`, value by value, each in its place."""
    before, after = (dict(_leaves(each, path)) for each in (table_at(parsed(text), path) or {}, table))
    new = text
    for key in before.keys() - after.keys():
        new = _without(new, key)
    for key, value in after.items():
        if key not in before or before[key] != value:
            new = _with_value(new, key, value)
    return _guarded(text, new, path, table, lambda: _others(new, path) == _others(text, path))


def remove(text: str, path: KeyPath, comment: str) -> str:
    """Take the table out that is there, however it is written, with its comment."""
    new = _without(_cut(text, path, comment), path)
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


def _block(path: KeyPath, table: Mapping[str, Any]) -> list[str]:
    inner = [(name, value) for name, value in table.items() if isinstance(value, Mapping)]
    keys = [f"{dotted((name,))} = {literal(value)}" for name, value in table.items() if (name, value) not in inner]
    return [
        f"[{dotted(path)}]",
        *keys,
        *(line for name, each in inner for line in ("", *_block((*path, name), each))),
    ]


def _appended(text: str, path: KeyPath, table: Mapping[str, Any], comment: str) -> str:
    """Append a block; where the text has no last line break the new one has none either, so it can be undone."""
    newline = _newline(text)
    block = newline.join([comment, *_block(path, table)])
    if not text:
        return block + newline
    if text.endswith("\n"):
        return text + newline + block + newline
    return text + newline + newline + block


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _into(text: str, inline: Inline, path: KeyPath, value: Any) -> str:
    """Put a value into an inline table, behind what it holds."""
    said = f"{dotted(path[len(inline.path) :])} = {literal(value)}"
    at = inline.members[-1].end if inline.members else inline.opened
    return f"{text[:at]}{', ' if inline.members else ' '}{said}{text[at:]}"


def _with_value(text: str, key: KeyPath, value: Any) -> str:
    """Set one value of the table: where it stands, or behind one that stands beside it."""
    inline = inline_above(text, key)
    found = [each for each in _values(text, inline) if each.path == key]
    if found:
        return text[: found[0].value] + literal(value) + text[found[0].end :]
    return _into(text, inline, key, value) if inline else _on_new_line(text, key, value)


def _on_new_line(text: str, key: KeyPath, value: Any) -> str:
    """Put a value on a line of its own behind the last one of its table, written as that one is."""
    header: KeyPath = ()
    beside: tuple[Statement, KeyPath] | None = None
    for statement in statements(text):
        if statement.kind == "header":
            header = statement.path
        elif statement.kind == "key" and statement.path[:-1] == key[:-1]:
            beside = statement, header
    if beside is None:
        return text  # nothing of ours is empty, and the guard would tell
    last, header = beside
    said = text[last.start : last.end]
    indent = said[: len(said) - len(said.lstrip(" \t"))]
    line = f"{indent}{dotted(key[len(header) :])} = {literal(value)}"
    newline = _newline(text)
    new = f"{line}{newline}" if said.endswith("\n") else f"{newline}{line}"
    return text[: last.end] + new + text[last.end :]


def _values(text: str, inline: Inline | None) -> tuple[Value, ...]:
    """List what an inline table holds, or without one all keys' values."""
    if inline is not None:
        return inline.members
    return tuple(value_of(text, each) for each in statements(text) if each.kind == "key")


def _without(text: str, path: KeyPath) -> str:
    """Take out the keys at a path and below it: whole statements, and members of an inline table."""
    for statement in reversed(list(statements(text))):
        if statement.kind == "key" and is_below(statement.path, path):
            text = text[: statement.start] + text[statement.end :]
    while (inline := inline_above(text, path)) and (mine := _index(inline, path)) is not None:
        text = _without_member(text, inline, mine)
    return text


def _index(inline: Inline, path: KeyPath) -> int | None:
    return next((n for n, each in enumerate(inline.members) if is_below(each.path, path)), None)


def _without_member(text: str, inline: Inline, number: int) -> str:
    """Take a member out with the comma before it, the first one with the comma behind it."""
    members = inline.members
    if number:
        start, end = members[number - 1].end, members[number].end
    elif len(members) > 1:
        start, end = members[0].start, members[1].start
    else:
        start, end = inline.opened, members[0].end
    return text[:start] + text[end:]


def _cut(text: str, path: KeyPath, comment: str) -> str:
    """Take the sections out, and what `_appended` put around them."""
    for first, last, before in reversed(_sections(text, path)):
        head, tail = text[: first.start], text[last.end :]
        if before and text[before[-1].start : before[-1].end].strip() == comment:
            head = text[: before[-1].start]
            if len(before) > 1 and before[-2].kind == "blank":
                head = text[: before[-2].start]
            if not tail and not text.endswith("\n"):
                head = head.removesuffix("\n").removesuffix("\r")
        text = head + tail
    return text


def _sections(text: str, path: KeyPath) -> list[tuple[Statement, Statement, list[Statement]]]:
    """Find the runs of the table's sections: first and last statement, and what stands right before.

    A run ends with its last key: the comment after it is of what follows.
    """
    runs: list[tuple[Statement, Statement, list[Statement]]] = []
    before: list[Statement] = []
    is_ours = False
    for statement in statements(text):
        if statement.kind == "header":
            was_ours, is_ours = is_ours, is_below(statement.path, path)
            if is_ours and not was_ours:
                runs.append((statement, statement, before[-2:]))
        if is_ours and statement.path:
            runs[-1] = (runs[-1][0], statement, runs[-1][2])
        before.append(statement)
    return runs


def _others(text: str, path: KeyPath, comment: str | None = None) -> list[str]:
    """List what the text says that is neither the table nor the key it stands in, blank lines apart."""
    ours = [(first.start, last.end) for first, last, _ in _sections(text, path)]
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
