"""TOML as it is found on nodes and worse: the same values, in every style that the language has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from nodeprov.containerd import COMMENT, RUNTIMES_PATHS
from nodeprov.containerd.tables import BYTE_ORDER_MARK

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

DRAWN_COMMENTS = st.sampled_from(COMMENTS)
STYLES = st.sampled_from(["header", "header", "header", "dotted", "inline"])


@dataclass(frozen=True)
class Raw:
    """A value as it is written."""

    said: str


Tree = Mapping[str, Any]


@st.composite
def trees(draw: st.DrawFn, version: int) -> dict[str, Any]:
    """Draw what a configuration of a version says; whether a version 1 is stated is drawn too."""
    containerd: dict[str, Any] = {**draw(leaves()), **draw(_maybe("options", leaves()))}
    if draw(st.integers(0, 3)):
        handlers = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
        containerd["runtimes"] = {
            name: {**draw(leaves()), **draw(_maybe("options", leaves()))} for name in handlers
        }
    plugin = {**draw(leaves()), **draw(_maybe("containerd", st.just(containerd)))}
    plugins = {
        **draw(_maybe(RUNTIMES_PATHS[version][1], st.just(plugin))),
        **draw(_maybe("other.plugin", leaves())),
    }
    stated = {} if version == 1 and draw(st.booleans()) else {"version": Raw(str(version))}
    return {
        **stated,
        **draw(leaves()),
        **draw(_maybe("plugins", st.just(plugins))),
        **draw(_maybe("debug", leaves())),
    }


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from("abcd"), st.sampled_from(VALUES).map(Raw), max_size=2)


def _maybe(name: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), inner.map(lambda value: {name: value}), inner.map(lambda value: {name: value}))


@st.composite
def written(draw: st.DrawFn, tree: Tree) -> str:
    """Draw a text that says this, with comments, blank lines, odd spaces, CRLF, a byte order mark."""
    lines, sections = _table(draw, (), tree)
    for _ in range(draw(st.integers(0, 2))):
        sections.append(["[[streams]]", *(f"{k} = {v.said}" for k, v in draw(leaves()).items())])
    ordered = "\n".join([*lines, *(line for section in sections for line in section)])
    shuffled = "\n".join([*lines, *(line for section in draw(st.permutations(sections)) for line in section)])
    text = shuffled if _is_valid(shuffled) else ordered
    text += draw(st.sampled_from(["", "\n", "\n", "\n\n\n", "\n# the end", "\n  "]))
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return draw(st.sampled_from(["", "", "", BYTE_ORDER_MARK])) + text.replace("\n", newline)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Draw a valid configuration of any version."""
    return draw(written(draw(trees(draw(st.sampled_from([1, 2, 3, 4]))))))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw a text from which a piece is cut, or into which one is put: mostly no TOML any more."""
    text = draw(texts())
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 30)))
    pieces = ["", "\n", '"', "'", "[", "]", "{", "}", "=", ",", "#", "\r", "\x00", '"""', "'''", "[[", "a.b = 1\n"]
    return text[:start] + draw(st.sampled_from(pieces)) + text[end:]


def _table(draw: st.DrawFn, path: tuple[str, ...], tree: Tree) -> tuple[list[str], list[list[str]]]:
    """Write a table: the lines of its own section, and the sections below it."""
    lines: list[str] = []
    sections: list[list[str]] = []
    for name, value in draw(st.permutations(list(tree.items()))):
        lines += filter(None, [draw(DRAWN_COMMENTS)])
        own, below = _member(draw, path, (name,), value)
        lines += own
        sections += below
    return lines, sections


def _member(
    draw: st.DrawFn, path: tuple[str, ...], key: tuple[str, ...], value: Any
) -> tuple[list[str], list[list[str]]]:
    style = draw(STYLES) if isinstance(value, Mapping) else "leaf"
    if style == "header":
        own, below = _table(draw, (*path, *key), value)
        header = f"{draw(_blank())}[{_key(draw, (*path, *key))}]{draw(_behind())}"
        is_implied = not own and below and draw(st.booleans())
        return [], below if is_implied else [[header, *own], *below]
    if style == "dotted" and value:
        own, below = [], []
        for name, inner in value.items():
            lines, sections = _member(draw, path, (*key, name), inner)
            own += lines
            below += sections
        return own, below
    around = draw(st.sampled_from([" = ", "=", "  =\t"]))
    return [f"{draw(_blank())}{_key(draw, key)}{around}{_value(draw, value)}{draw(_behind())}"], []


def _value(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, Raw):
        return value.said
    members = [member for name, inner in value.items() for member in _inline(draw, (name,), inner)]
    space = draw(_blank())
    return f"{{{space}{draw(st.sampled_from([', ', ',', ' , '])).join(members)}{space}}}"


def _inline(draw: st.DrawFn, key: tuple[str, ...], value: Any) -> list[str]:
    if isinstance(value, Mapping) and value and draw(st.booleans()):
        return [member for name, inner in value.items() for member in _inline(draw, (*key, name), inner)]
    return [f"{_key(draw, key)}{draw(st.sampled_from([' = ', '=']))}{_value(draw, value)}"]


def _key(draw: st.DrawFn, path: tuple[str, ...]) -> str:
    return draw(st.sampled_from([".", ".", " . "])).join(_part(draw, part) for part in path)


def _part(draw: st.DrawFn, part: str) -> str:
    is_bare = part.isascii() and part.replace("_", "").replace("-", "").isalnum()
    return draw(st.sampled_from([f'"{part}"', f"'{part}'", *([part] * 3 if is_bare else [])]))


def _blank() -> st.SearchStrategy[str]:
    return st.sampled_from(["", "", "  ", "\t"])


def _behind() -> st.SearchStrategy[str]:
    return st.sampled_from(["", "", "", " # why", "#[x]", "  ", "\t# it's \""])


def _is_valid(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
