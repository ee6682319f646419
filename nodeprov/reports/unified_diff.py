"""The difference of two texts as a person may see it: without the secrets that are in them."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator

from nodeprov.redaction import looks_secret, masked, secret_spans
from nodeprov.toml import key_text, statements

CONTEXT_LINES = 2
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def unified(before: str, after: str, *, old: str, new: str) -> list[str]:
    """Write a unified diff; lines that look secret, or are of a value that does, are masked."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="", n=CONTEXT_LINES)
    hidden = {"-": secret_lines(before), "+": secret_lines(after)}
    numbers: dict[str, int] = {}
    shown = []
    for line in found:
        sign = line[:1]
        if hunk := _HUNK.match(line):
            numbers = {"-": int(hunk[1]), "+": int(hunk[2])}
            shown.append(line)
        elif not numbers:
            shown.append(line)  # the two lines of the head
        else:
            side = "-" if sign == "-" else "+"
            shown.append(masked(line, is_secret=numbers[side] in hidden[side]))
            numbers = {each: number + (sign in (each, " ")) for each, number in numbers.items()}
    return shown


def secret_lines(text: str) -> frozenset[int]:
    """Find the lines, counted from 1, of values that look secret and go over several of them."""
    spans = [*secret_spans(text), *_secret_statements(text)]
    return frozenset(
        number
        for start, end in spans
        for number in range(text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 2)
    )


def _secret_statements(text: str) -> Iterator[tuple[int, int]]:
    """Find whole statements by the name of the key and of its table, or by what any of their lines says."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # another notation, such as a template
    for each in statements(text):
        said = text[each.start : each.end].rstrip()
        if each.kind == "key" and "\n" in said and (looks_secret(said) or looks_secret(key_text(each.path))):
            yield each.start, each.start + len(said)
