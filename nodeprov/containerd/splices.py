"""The splices of a TOML text: where a value stands, where one is put in, and how one is cut out.

What comes of them is judged in `tables`; here nothing is checked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from nodeprov.toml import TOKEN, Float, KeyPath, Statement, assignment, key_text, line_end, statements, value_text


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


def _block(path: KeyPath, table: Mapping[str, Any]) -> list[str]:
    """Have tomlkit write a table; where it is put, and all that stands around it, is not left to tomlkit.

    Parsed and written again by it, a file may lose bytes or meaning (tomlkit#588, #556, #571).
    """
    import tomlkit  # noqa: TID251  the one place; 28 ms, and most runs change nothing

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return tomlkit.value(value.said) if isinstance(value, Float) else value

    nested = plain(table)
    for part in reversed(path):
        nested = {part: nested}
    return tomlkit.dumps(nested).rstrip("\n").split("\n")


def appended(text: str, path: KeyPath, table: Mapping[str, Any], comment: str) -> str:
    """Append a table as a block of its own, under a comment."""
    return _with_block(text, line_end(text).join([comment, *_block(path, table)]))


def at_end(text: str, original: str, path: KeyPath, comment: str) -> str:
    """Append the sections of a table as they stand in another text, under a comment."""
    newline = line_end(text)
    runs = (original[first.start : last.end] for first, last, _ in sections(original, path))
    return _with_block(text, newline.join([comment, *(each.rstrip("\r\n") for each in runs)]))


def _with_block(text: str, block: str) -> str:
    """Append a block; where the text has no last line break the new one has none either, so it can be undone."""
    newline = line_end(text)
    if not text:
        return block + newline
    if text.endswith("\n"):
        return text + newline + block + newline
    return text + newline + newline + block


def edited_alike(text: str, before: str, after: str) -> Iterator[str]:
    """Edit a text as another one was edited, by lines; yield what may come of it, the likeliest first.

    Nothing comes where lines that were replaced, or those on both sides of what was put in, are not there any
    more. Where others have put lines in at the very same place, ours come before theirs, or else behind them.
    """
    old, new, now = (each.split("\n") for each in (before, after, text))
    edits = [each for each in SequenceMatcher(None, old, new).get_opcodes() if each[0] != "equal"]
    there = SequenceMatcher(None, old, now).get_matching_blocks()
    for blocks in (there, there[::-1]):
        lines = now.copy()
        for _, start, end, new_start, new_end in reversed(edits):
            block = next((each for each in blocks if each.a <= start and end <= each.a + each.size), None)
            if block is None:
                return
            by = block.b - block.a
            lines[start + by : end + by] = new[new_start:new_end]
        yield "\n".join(lines)


def into_inline(text: str, inline: Inline, path: KeyPath, value: Any) -> str:
    """Put a value into an inline table, behind what it holds."""
    said = f"{key_text(path[len(inline.path) :])} = {value_text(value)}"
    at = inline.members[-1].end if inline.members else inline.opened
    return f"{text[:at]}{', ' if inline.members else ' '}{said}{text[at:]}"


def with_value(text: str, key: KeyPath, value: Any) -> str:
    """Set one value of the table: where it stands, or behind one that stands beside it."""
    inline = inline_above(text, key)
    keys = (each for each in statements(text) if each.kind == "key")
    members = inline.members if inline else [value_of(text, each) for each in keys]
    found = [each for each in members if each.path == key]
    if found:
        return text[: found[0].value] + value_text(value) + text[found[0].end :]
    return into_inline(text, inline, key, value) if inline else _on_new_line(text, key, value)


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
    line = f"{indent}{key_text(key[len(header) :])} = {value_text(value)}"
    newline = line_end(text)
    new = f"{line}{newline}" if said.endswith("\n") else f"{newline}{line}"
    return text[: last.end] + new + text[last.end :]


def without_keys(text: str, path: KeyPath) -> str:
    """Take out the keys at a path and below it: whole statements, and members of an inline table."""
    for statement in reversed(list(statements(text))):
        if statement.kind == "key" and is_below(statement.path, path):
            text = text[: statement.start] + text[statement.end :]
    while inline := inline_above(text, path):
        mine = [number for number, each in enumerate(inline.members) if is_below(each.path, path)]
        if not mine:
            break
        text = _without_member(text, inline, mine[0])
    return text


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


def cut(text: str, path: KeyPath, comment: str) -> str:
    """Take the sections out, and what `appended` put around them."""
    for first, last, before in reversed(sections(text, path)):
        head, tail = text[: first.start], text[last.end :]
        if before and text[before[-1].start : before[-1].end].strip() == comment:
            head = text[: before[-1].start]
            if len(before) > 1 and before[-2].kind == "blank":
                head = text[: before[-2].start]
            if not tail and not text.endswith("\n"):
                head = head.removesuffix("\n").removesuffix("\r")
        text = head + tail
    return text


def sections(text: str, path: KeyPath) -> list[tuple[Statement, Statement, list[Statement]]]:
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
