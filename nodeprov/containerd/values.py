"""Where a value stands in a TOML text: behind a key of its own, or inside an inline table."""

from __future__ import annotations

from dataclasses import dataclass

from nodeprov.toml import TOKEN, KeyPath, Statement, assignment, statements


@dataclass(frozen=True, slots=True)
class Value:
    """A `key = value`: its full path, and as offsets where it starts, where the value does, and where it ends."""

    path: KeyPath
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Inline:
    """An inline table: its path, the offset behind its opening brace, and what it holds, in order."""

    path: KeyPath
    opened: int
    members: tuple[Value, ...]


def is_below(path: KeyPath, ancestor: KeyPath) -> bool:
    """Tell whether a path is another one or leads on from it."""
    return path[: len(ancestor)] == ancestor


def inline_above(text: str, path: KeyPath) -> Inline | None:
    """Find the innermost inline table above a path: what is at the path stands, or would stand, in it."""
    for statement in statements(text):
        if statement.kind == "key" and is_below(path, statement.path):
            return _innermost(text, value_of(text, statement), path)
    return None


def value_of(text: str, statement: Statement) -> Value:
    """Find the value of a key's statement, without the comment behind it."""
    _, value = _assigned(text[statement.start : statement.end])
    start = statement.start + value
    depth, end = 0, statement.end
    for token in TOKEN.finditer(text, start, statement.end):
        depth += (token[0] in ("[", "{")) - (token[0] in ("]", "}"))
        if depth == 0 and token[0][0] in "#\n":
            end = token.start()
            break
    end = start + len(text[start:end].rstrip())
    return Value(statement.path, statement.start, start, end)


def _innermost(text: str, value: Value, path: KeyPath) -> Inline | None:
    if text[value.value] != "{" or len(path) <= len(value.path):
        return None
    members = _members(text, value)
    inner = (_innermost(text, each, path) for each in members if is_below(path, each.path))
    return next(filter(None, inner), None) or Inline(value.path, value.value + 1, members)


def _members(text: str, table: Value) -> tuple[Value, ...]:
    """Take an inline table apart at the commas that are not inside of another value."""
    found: list[Value] = []
    depth, begin = 0, table.value + 1
    for token in TOKEN.finditer(text, table.value, table.end):
        depth += (token[0] in ("[", "{")) - (token[0] in ("]", "}"))
        if depth == 0 or (depth == 1 and token[0] == ","):
            said = text[begin : token.start()]
            if said.strip():
                path, value = _assigned(said)
                start = begin + len(said) - len(said.lstrip())
                found.append(Value((*table.path, *path), start, begin + value, begin + len(said.rstrip())))
            begin = token.end()
    return tuple(found)


def _assigned(said: str) -> tuple[KeyPath, int]:
    """Read the key of `key = value`, and where in it the value begins."""
    found = assignment(said)
    assert found is not None, "the text is valid TOML, and this is a key's statement"
    key, rest = found
    return key, len(said) - len(rest.lstrip())
