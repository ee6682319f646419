"""One table of a TOML text: put in, changed, taken out, and every other byte left as it is.

No edit is trusted: what TOML says of the new text must be what it said of the old one and exactly the change,
and the rest must be the same bytes. tomlkit alone keeps neither promise (tomlkit#588, #556, #571).
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.statements import KeyPath, Statement, dotted, statements

Edit = Callable[[], str]


class Refused(NodeprovError):
    """The edit cannot be made, or would not do what is meant."""


def parsed(text: str) -> dict[str, Any]:
    """Read a TOML text; raise Refused, saying where, if it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"not valid TOML: {error}", "containerd cannot start with it: correct it first") from error


def table_at(document: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any] | None:
    """Find the table at a path; None if nothing, or something else, is there."""
    inner: Any = document
    for part in path:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, Mapping) else None


def insert(text: str, path: KeyPath, table: Mapping[str, Any], comment: str) -> str:
    """Put a table in that is not there, under a comment; `remove` gives the very same text back.

    A block at the end is valid wherever the tables above are not inline; there the table goes in between.
    Raises Refused if neither is so.
    """

    def is_undone(new: str) -> bool:
        return remove(new, path, comment) == text

    edits = (lambda: _appended(text, path, table, comment), lambda: _within(text, path, table))
    return _first_sound(text, path, table, edits, is_undone)


def change(text: str, path: KeyPath, table: Mapping[str, Any]) -> str:
    """Make the table that is there hold `table`, in its place; raise Refused if that cannot be done."""

    def others_stay(new: str) -> bool:
        return _others(new, path) == _others(text, path)

    edits = (lambda: _within(text, path, table), lambda: _rewritten(text, path, table))
    return _first_sound(text, path, table, edits, others_stay)


def remove(text: str, path: KeyPath, comment: str) -> str:
    """Take the table out that is there, with its comment; raise Refused if something else would go too."""

    def others_stay(new: str) -> bool:
        return _others(new, path, comment) == _others(text, path, comment)

    edits = (lambda: _cut(text, path, comment), lambda: _without(text, path))
    return _first_sound(text, path, None, edits, others_stay)


def _first_sound(
    text: str,
    path: KeyPath,
    table: Mapping[str, Any] | None,
    edits: Sequence[Edit],
    keeps: Callable[[str], bool],
) -> str:
    """Return the first edit that changes what is meant and nothing else."""
    wanted = _pruned(_with(tomllib.loads(text), path, table), path)
    reasons: list[str] = []
    for edit in edits:
        try:
            new = edit()
            is_meant = _pruned(tomllib.loads(new), path) == _pruned(wanted, path)
        except Exception as error:
            reasons.append(str(error))
            continue
        if is_meant and keeps(new):
            return new
        reasons.append("something else would change too")
    raise _refusal(text, path, reasons)


def _refusal(text: str, path: KeyPath, reasons: Sequence[str]) -> Refused:
    inline = [each for each in statements(text) if each.kind == "key" and _is_below(path, each.path)]
    why = f"line {inline[0].line} writes a table above it inline" if inline else reasons[0]
    return Refused(
        f"{dotted(path)} cannot be edited: {why}",
        f"write the tables above it with headers, such as [{dotted(path[:-1])}]",
    )


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


def _block(path: KeyPath, table: Mapping[str, Any]) -> str:
    import tomlkit  # noqa: TID251  here and below, the one place; 28 ms, and most runs change nothing

    nested: dict[str, Any] = dict(table)
    for part in reversed(path):
        nested = {part: nested}
    return tomlkit.dumps(nested).rstrip("\n")


def _appended(text: str, path: KeyPath, table: Mapping[str, Any], comment: str) -> str:
    """Append a block; where the text has no last line break the new one has none either, so it can be undone."""
    newline = _newline(text)
    block = newline.join([comment, *_block(path, table).split("\n")])
    if not text:
        return block + newline
    if text.endswith("\n"):
        return text + newline + block + newline
    return text + newline + newline + block


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


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
            was_ours, is_ours = is_ours, _is_below(statement.path, path)
            if is_ours and not was_ours:
                runs.append((statement, statement, before[-2:]))
        if is_ours and statement.path:
            runs[-1] = (runs[-1][0], statement, runs[-1][2])
        before.append(statement)
    return runs


def _rewritten(text: str, path: KeyPath, table: Mapping[str, Any]) -> str:
    """Write the block anew where the table's first section is."""
    (first, last, _), *more = _sections(text, path)
    block = _block(path, table).replace("\n", _newline(text)) + (_newline(text) if text[last.end :] else "")
    for other, end, _ in reversed(more):
        text = text[: other.start] + text[end.end :]
    return text[: first.start] + block + text[last.end :]


def _within(text: str, path: KeyPath, table: Mapping[str, Any]) -> str:
    """Let tomlkit set, in place, what differs from what is there."""
    import tomlkit  # noqa: TID251

    document: Any = tomlkit.parse(text)
    inner = document
    for part in path[:-1]:
        inner = inner[part]
    if path[-1] in inner:
        _assign(inner[path[-1]], table)
    else:
        inner[path[-1]] = _inline(table)
    return tomlkit.dumps(document)


def _inline(value: Mapping[str, Any]) -> Any:
    import tomlkit  # noqa: TID251

    made = tomlkit.inline_table()
    for name, each in value.items():
        made[name] = _inline(each) if isinstance(each, Mapping) else each
    return made


def _assign(target: Any, table: Mapping[str, Any]) -> None:
    for name in [name for name in target if name not in table]:
        del target[name]
    for name, value in table.items():
        if name in target and isinstance(value, Mapping):
            _assign(target[name], value)
        elif name not in target or target[name] != value:
            target[name] = value


def _without(text: str, path: KeyPath) -> str:
    """Let tomlkit take it out: for tables that are inline, or made of dotted keys."""
    import tomlkit  # noqa: TID251

    document: Any = tomlkit.parse(text)
    inner = document
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return tomlkit.dumps(document)


def _is_below(path: KeyPath, ancestor: KeyPath) -> bool:
    return path[: len(ancestor)] == ancestor


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
    return _is_below(key, path) or _is_below(path, key)
