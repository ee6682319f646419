"""What an error of a sandboxed pod means: rules as data, in explanations.toml."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("explanations.toml")
_PIECE, _OVERLAP = 20_000, 4_000
"""Characters of a line that are looked at together, and those that two pieces share: no error is longer.

A log may have anything in a line, all events of a cluster too; some patterns go on to a line's end.
"""

_LONGEST_BEFORE = 600
"""Characters of what is said before an error by those who pass it on."""
_ESCAPED_QUOTE = re.compile(r'(?<!\\)\\+"')
"""As daemons' logs and JSON write a quote within what they quote; each that passes it on adds backslashes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Why something is said, as data; `{1}` in a text stands for the first group of the pattern that was found.

    What any program may say counts with `within` alone, which those say before it who pass errors on.
    """

    id: str
    patterns: tuple[re.Pattern[str], ...]
    cause: str
    evidence: str
    remedy: str
    within: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a line means.

    Attributes:
        id: the rule's name, which stays.
        line: its number in the text, from 1.
        said: the part of the line by which it was recognized.
        cause: why it was said.
        evidence: what to type to see that.
        remedy: what to do.
    """

    id: str
    line: int
    said: str
    cause: str
    evidence: str
    remedy: str


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Read the rules, in the order of the file."""
    tables = tomllib.loads(DATA.read_text())
    return tuple(_rule(name, **table) for name, table in tables.items())


def _rule(name: str, *, patterns: list[str], within: str = "", **texts: str) -> Rule:
    compiled = tuple(re.compile(each) for each in patterns)
    return Rule(name, compiled, **texts, within=re.compile(within) if within else None)


def explanations(text: str) -> list[Explanation]:
    """Explain what is known of a text's lines; each rule once for the same words, where they come first.

    The text may be any program's: what is the runtime's in the shim's words alone is left out in others.
    """
    return _explanations(text, is_shims=False)


def hint(said: str, otherwise: str, *, node: str) -> str:
    """Return the cause and the remedy of what the shim said on a node, where it is known, or else `otherwise`."""
    found = _explanations(said, is_shims=True)
    return f"{found[0].cause}: {found[0].remedy}".replace("NODE", node) if found else otherwise


def _explanations(text: str, *, is_shims: bool) -> list[Explanation]:
    found: dict[tuple[str, str], Explanation] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        plain = _ESCAPED_QUOTE.sub('"', line) if '\\"' in line else line
        for each in _of_line(number, plain, is_shims=is_shims):
            found.setdefault((each.id, each.said), each)
    return [*found.values()]


def _of_line(number: int, line: str, *, is_shims: bool) -> Iterator[Explanation]:
    pieces = _pieces(line)
    for rule in rules():
        for piece in pieces:
            match = next((match for pattern in rule.patterns if (match := pattern.search(piece))), None)
            if match is not None and (is_shims or _is_within(rule, match)):
                yield _explanation(rule, number, match)


def _is_within(rule: Rule, match: re.Match[str]) -> bool:
    """Tell whether the words are in an error of the runtime: who passes an error on writes before it."""
    before = max(match.start() - _LONGEST_BEFORE, 0)
    return rule.within is None or rule.within.search(match.string, before, match.start()) is not None


def _pieces(line: str) -> Sequence[str]:
    """Cut a long line into pieces that overlap, so that an error is whole in one of them."""
    if len(line) <= _PIECE:
        return (line,)
    starts = range(0, len(line) - _OVERLAP, _PIECE - _OVERLAP)
    return [line[start : start + _PIECE] for start in starts]


def _explanation(rule: Rule, number: int, match: re.Match[str]) -> Explanation:
    name = match.group(1) if match.re.groups else ""
    cause, evidence, remedy = (said.replace("{1}", name) for said in (rule.cause, rule.evidence, rule.remedy))
    return Explanation(rule.id, number, match.group(0), cause, evidence, remedy)
