"""One table of a TOML text: put in, changed, taken out, and every other byte left as it is.

The text is cut and spliced, never written anew. No splice is trusted: what TOML reads in the new text must be what
it read in the old one and exactly the change, and the rest must be the same bytes.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from nodeprov.containerd.config import Config, Refused
from nodeprov.containerd.splices import (
    appended,
    at_end,
    cut,
    edited_alike,
    inline_above,
    into_inline,
    is_below,
    sections,
    with_value,
    without_keys,
)
from nodeprov.toml import KeyPath, key_text, line_end, statements


def insert(config: Config, path: KeyPath, table: Mapping[str, Any], comment: str) -> Config:
    """Put a table in that is not there; `remove` gives the very same text back.

    A block at the end, under a comment, is valid wherever the tables above are not inline: sub-tables may be added
    to tables made by headers, by dotted keys, or by neither. Where one is inline, the table goes into that.
    Raises Refused where something else than a table is on the way.
    """
    text = config.text
    inline = inline_above(text, path)
    new = Config(into_inline(text, inline, path, table) if inline else appended(text, path, table, comment))
    return _guarded(config, new, path, table, lambda: remove(new, path, comment) == config)


def change(config: Config, path: KeyPath, table: Mapping[str, Any]) -> Config:
    """Make the table that is there hold `table`, value by value, each in its place."""
    before, after = (dict(_leaves(each, path)) for each in (config.table(path) or {}, table))
    text = config.text
    for key in before.keys() - after.keys():
        text = without_keys(text, key)
    for key, value in after.items():
        if key not in before or before[key] != value:
            text = with_value(text, key, value)
    new = Config(text)
    return _guarded(config, new, path, table, lambda: _others(new, path) == _others(config, path))


def remove(config: Config, path: KeyPath, comment: str) -> Config:
    """Take the table out that is there, however it is written, with its comment."""
    new = Config(without_keys(cut(config.text, path, comment), path))
    return _guarded(config, new, path, None, lambda: _others(new, path, comment) == _others(config, path, comment))


def put_back(config: Config, original: Config, path: KeyPath, comment: str) -> Config | None:
    """Put a table in that is not there, as it stood in another text: the same bytes, beside the same lines.

    None where those lines are not there any more, or mean something else there.
    """
    # Others may have written on behind a last line that had no end.
    for source in (original, Config(original.text + line_end(original.text))):
        bare = remove(source, path, comment)
        for text in edited_alike(config.text, bare.text, source.text):
            if found := _if_sound(config, original, path, comment, text):
                return found
    return None


def put_at_end(config: Config, original: Config, path: KeyPath, comment: str) -> Config | None:
    """Put a table in that is not there at the end of the text, under a comment, with its bytes in another one.

    None where they mean something else there.
    """
    return _if_sound(config, original, path, comment, at_end(config.text, original.text, path, comment))


def _if_sound(config: Config, original: Config, path: KeyPath, comment: str, text: str) -> Config | None:
    new = Config(text)
    with suppress(Refused):
        return _guarded(config, new, path, original.table(path), lambda: remove(new, path, comment) == config)
    return None


def _guarded(
    old: Config, new: Config, path: KeyPath, table: Mapping[str, Any] | None, keeps: Callable[[], bool]
) -> Config:
    """Return the new text if it changes what is meant and nothing else; raise Refused if not."""
    wanted = _pruned(_with(_copied(old), path, table), path)
    try:
        is_sound = _pruned(_copied(new), path) == wanted and keeps()
    except Refused:
        is_sound = False
    if not is_sound:
        raise Refused(
            f"[{key_text(path)}] cannot be edited without touching something else",
            f"write the tables above it with headers, such as [{key_text(path[:-1])}], and report the file's form",
        )
    return new


def _copied(config: Config) -> dict[str, Any]:
    return copy.deepcopy(dict(config.document))


def _with(document: dict[str, Any], path: KeyPath, table: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a document is with another table at the path, or with none."""
    inner: Any = document
    for depth, part in enumerate(path[:-1], start=1):
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Refused(
                f"{key_text(path[:depth])} is not a table", "containerd cannot start with it: correct it first"
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


def _others(config: Config, path: KeyPath, comment: str | None = None) -> list[str]:
    """List what the text holds that is neither the table nor the key it stands in, blank lines apart."""
    text = config.text
    ours = [(first.start, last.end) for first, last, _ in sections(text, path)]
    return [
        said
        for statement in statements(text)
        if statement.kind != "blank"
        and not any(start <= statement.start < end for start, end in ours)
        and not (statement.kind == "key" and (is_below(statement.path, path) or is_below(path, statement.path)))
        and (said := text[statement.start : statement.end].rstrip("\r\n")).strip() != comment
    ]
