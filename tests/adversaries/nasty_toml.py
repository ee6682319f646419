"""TOML as it is found on nodes and worse: the same values, in every style that the language has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from nodeprov.containerd import COMMENT, RUNTIMES_PATHS
from nodeprov.containerd.config import BYTE_ORDER_MARK

VALUES = (
    '"x"',
    "'C:\\y'",
    '"a \\"quoted\\" # no comment"',
    "true",
    "3",
    "0xff",
    "1_000",
    "nan",
    "-inf",
    "1.50",
    "1979-05-27T07:32:00Z",
    "[]",
    "[ 'a' , \"b\", ]",
    '["a", # c ] }\n  "b" # , "c"\n]',
    '"""\n[plugins.x]\n# added by nodeprov\n"""',
    "'''it's\n{ no = 'table' }'''",
    '""""quoted""""',
    "[[1], [{ a = 1 }]]",
    "[{ x = '}' }, { x = ']' }]",
)
NAMES = ("runc", "kata", "we ird", "dotted.name", "ümlaut", "crun", "a#b", "}", "nvidia")
COMMENTS = ("", "", "", "# a comment", "  # added by someone", COMMENT, "\t", "# [plugins.x]", "#", "# it's \"{[")

BLANK = ("", "", "  ", "\t")
BEHIND = ("", "", "", " # why", "#[x]", "  ", "\t# it's \"")
STYLES = ("header", "header", "header", "dotted", "inline")


@dataclass(frozen=True)
class Raw:
    """A value as it is written."""

    said: str


Tree = Mapping[str, Any]


def tree(looks: Random, version: int) -> dict[str, Any]:
    """Choose what a configuration of a version says; a version 1 may be stated or not."""
    runtimes = {
        name: {**leaves(looks), **_maybe(looks, "options", leaves(looks))}
        for name in looks.sample(NAMES, looks.randint(0, 3))
    }
    containerd = {**leaves(looks), **_maybe(looks, "cni", leaves(looks)), **_maybe(looks, "runtimes", runtimes)}
    plugin = {**leaves(looks), **_maybe(looks, "containerd", containerd)}
    plugins = {
        **_maybe(looks, RUNTIMES_PATHS[version][1], plugin),
        **_maybe(looks, "other.plugin", leaves(looks)),
    }
    stated = {} if version == 1 and looks.random() < 0.5 else {"version": Raw(str(version))}
    return {
        **stated,
        **leaves(looks),
        **_maybe(looks, "plugins", plugins),
        **_maybe(looks, "debug", {**leaves(looks), **_maybe(looks, "x", leaves(looks))}),
    }


def leaves(looks: Random) -> dict[str, Any]:
    return {name: Raw(looks.choice(VALUES)) for name in looks.sample("abcd", looks.randint(0, 2))}


def _maybe(looks: Random, name: str, inner: Any) -> dict[str, Any]:
    return {name: inner} if looks.random() < 0.8 else {}


def written(looks: Random, said: Tree) -> str:
    """Write a text that says this, with comments, blank lines, odd spaces, CRLF, a byte order mark."""
    lines, sections = _table(looks, (), said)
    for _ in range(looks.randint(0, 2)):
        sections.append(["[[streams]]", *(f"{key} = {value.said}" for key, value in leaves(looks).items())])
    ordered = "\n".join([*lines, *(line for section in sections for line in section)])
    sections = looks.sample(sections, len(sections))
    shuffled = "\n".join([*lines, *(line for section in sections for line in section)])
    text = shuffled if _is_valid(shuffled) else ordered
    text += looks.choice(["", "\n", "\n", "\n\n\n", "\n# the end", "\n  "])
    newline = looks.choice(["\n", "\n", "\r\n"])
    return looks.choice(["", "", "", BYTE_ORDER_MARK]) + text.replace("\n", newline)


# One seed makes a text: it would take hundreds of draws, and most of the time.
HANDS = st.randoms(use_true_random=True)
VERSIONS = st.sampled_from([1, 2, 3, 4])


def texts() -> st.SearchStrategy[str]:
    """Valid configurations of any version."""
    return st.builds(lambda looks, version: written(looks, tree(looks, version)), HANDS, VERSIONS)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw a text from which a piece is cut, or into which one is put: mostly no TOML any more."""
    text = draw(texts())
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 30)))
    pieces = ["", "\n", '"', "'", "[", "]", "{", "}", "=", ",", "#", "\r", "\x00", '"""', "'''", "[[", "a.b = 1\n"]
    return text[:start] + draw(st.sampled_from(pieces)) + text[end:]


def _table(looks: Random, path: tuple[str, ...], tree: Tree) -> tuple[list[str], list[list[str]]]:
    """Write a table: the lines of its own section, and the sections below it."""
    lines: list[str] = []
    sections: list[list[str]] = []
    for name, value in looks.sample(list(tree.items()), len(tree)):
        lines += filter(None, [looks.choice(COMMENTS)])
        own, below = _member(looks, path, (name,), value)
        lines += own
        sections += below
    return lines, sections


def _member(
    looks: Random, path: tuple[str, ...], key: tuple[str, ...], value: Any
) -> tuple[list[str], list[list[str]]]:
    style = looks.choice(STYLES) if isinstance(value, Mapping) else "leaf"
    if style == "header":
        own, below = _table(looks, (*path, *key), value)
        header = f"{looks.choice(BLANK)}[{_key(looks, (*path, *key))}]{looks.choice(BEHIND)}"
        is_implied = not own and below and looks.random() < 0.5
        return [], below if is_implied else [[header, *own], *below]
    if style == "dotted" and value:
        own, below = [], []
        for name, inner in value.items():
            lines, sections = _member(looks, path, (*key, name), inner)
            own += lines
            below += sections
        return own, below
    around = looks.choice([" = ", "=", "  =\t"])
    return [f"{looks.choice(BLANK)}{_key(looks, key)}{around}{_value(looks, value)}{looks.choice(BEHIND)}"], []


def _value(looks: Random, value: Any) -> str:
    if isinstance(value, Raw):
        return value.said
    members = [member for name, inner in value.items() for member in _inline(looks, (name,), inner)]
    space = looks.choice(BLANK)
    return f"{{{space}{looks.choice([', ', ',', ' , ']).join(members)}{space}}}"


def _inline(looks: Random, key: tuple[str, ...], value: Any) -> list[str]:
    if isinstance(value, Mapping) and value and looks.random() < 0.5:
        return [member for name, inner in value.items() for member in _inline(looks, (*key, name), inner)]
    return [f"{_key(looks, key)}{looks.choice([' = ', '='])}{_value(looks, value)}"]


def _key(looks: Random, path: tuple[str, ...]) -> str:
    return looks.choice([".", ".", " . "]).join(_part(looks, part) for part in path)


def _part(looks: Random, part: str) -> str:
    is_bare = part.isascii() and part.replace("_", "").replace("-", "").isalnum()
    return looks.choice([f'"{part}"', f"'{part}'", *([part] * 3 if is_bare else [])])


def _is_valid(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
