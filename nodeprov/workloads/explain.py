"""What an error of a sandboxed pod means: rules as data, in explanations.toml."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("explanations.toml")
_LONGEST_LINE = 20_000
"""Characters of a line that are looked at: no error is longer, and a log may have anything in it."""

_ESCAPED_QUOTE = re.compile(r'\\+"')
"""As daemons' logs and JSON write a quote within what they quote; each that passes it on adds backslashes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Why something is said, as data; `{1}` in a text stands for the first group of the pattern that was found."""

    id: str
    patterns: tuple[re.Pattern[str], ...]
    cause: str
    evidence: str
    remedy: str


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
    return tuple(
        Rule(name, tuple(re.compile(each) for each in table.pop("patterns")), **table)
        for name, table in tables.items()
    )


def explanations(text: str) -> list[Explanation]:
    """Explain what is known of a text's lines; each rule once for the same words, where they come first."""
    found: dict[tuple[str, str], Explanation] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        for each in _of_line(number, _ESCAPED_QUOTE.sub('"', line[:_LONGEST_LINE])):
            found.setdefault((each.id, each.said), each)
    return [*found.values()]


def hint(said: str, otherwise: str, *, node: str) -> str:
    """Return the cause and the remedy of an error on a node, where it is known; `otherwise` where it is not."""
    found = explanations(said)
    return f"{found[0].cause}: {found[0].remedy}".replace("NODE", node) if found else otherwise


def _of_line(number: int, line: str) -> Iterator[Explanation]:
    for rule in rules():
        match = next((match for pattern in rule.patterns if (match := pattern.search(line))), None)
        if match is not None:
            name = match.group(1) if match.re.groups else ""
            cause, evidence, remedy = (
                said.replace("{1}", name) for said in (rule.cause, rule.evidence, rule.remedy)
            )
            yield Explanation(rule.id, number, match.group(0), cause, evidence, remedy)
