"""Plain words: what messages, help and documentation do not use, and what says the same at first reading."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import CHECKOUT, DOCUMENTS, blocks

AVOIDED = {
    r"(?<!\$)\b[Ss]aid\b(?!=)": "set, written, or the message itself",
    r"\b([Tt]old|[Tt]ells?)\b": "shows, names, reports",
    r"\b[Ww]hose\b": "two sentences, or `with`",
    r"\b[Ss]tands?\b(?! (for|still))": "is written, is in, blocks",
    r"\b[Ss]ome \d": "about",
    r"\ban advice\b": "a recommendation",
    r"\b(for|on|have|people's?) people\b": "you, users",
    r"\b(is|are|was|were) meant\b": "means, uses",
    r"\b[Mm]end(s|ed|ing)?\b": "fix, repair, correct",
    r"(?<![Tt]here )\b(is|are) no (?!longer|more)[a-z]": "is not a",
    r"\b(is|are|be|behaves?|starts?) otherwise\b": "differs, works differently",
    r"\b[Nn]obody\b": "no one, or what it is: no program, no key",
    r"\b([Ll]ies?) (in|on|beside|there|below|outside|behind|over|at)\b": "is in, is on; overrides",
    r"\bby now\b": "now",
    r"\bwithout a word\b": "without a message",
    r"\b(of|by) ours\b": "of nodeprov's",
    r"(^|[.:;] )Where [a-z`…_ \[\]]{3,50} (is|are|has|have|can|cannot|does|do)\b[^.?:]*,": "if",
}
"""Words that a reader who learnt English at school translates first, and what to write instead."""

SOURCES = sorted(path for name in ("nodeprov", "nodeprov_lab") for path in (CHECKOUT / name).rglob("*.py"))
KEPT = ("# added by nodeprov: this file said nothing", "not told")
"""What programs read: a line of files on nodes, by which an uninstall finds what it wrote, and a state in JSON."""


def found_in(text: str) -> list[str]:
    """Find what a text had better say in other words."""
    text = re.sub(r"`[^`\n]*`", "`…`", text)
    return [f"{found[0]!r}: {better}" for words, better in AVOIDED.items() if (found := re.search(words, text))]


def texts(source: str, *, of_help: bool) -> Iterator[tuple[int, str]]:
    """Find what a module writes for people: its strings of several words and, of commands, their descriptions."""
    tree = ast.parse(source)
    descriptions = {id(each.value): each for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in descriptions:
            if " " in each.value.strip() and "(?P<" not in each.value and not each.value.startswith(KEPT):
                yield each.lineno, each.value
        elif of_help and isinstance(each, ast.FunctionDef) and _is_shown(each):
            yield each.lineno, ast.get_docstring(each) or ""


def _is_shown(function: ast.FunctionDef) -> bool:
    """Tell whether a function's description is shown to people: that of a command, and of a check of verify."""
    decorators = " ".join(map(ast.unparse, function.decorator_list))
    return (
        "command" in decorators
        or re.match(r"check_\w+\((subject|pod)\b", f"{function.name}({ast.unparse(function.args)}") is not None
    )


def prose(document: Path) -> Iterator[tuple[int, str]]:
    """Find the lines of a document that are neither shown nor a program's words."""
    shown = {
        number for each in blocks(document) for number in range(each.line, each.line + each.text.count("\n") + 1)
    }
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if number not in shown:
            yield number, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_speaks_plainly(document: Path) -> None:
    assert [(line, text, found) for line, text in prose(document) if (found := found_in(text))] == []


INVENTORIES = [
    *sorted((CHECKOUT / "inventory").glob("*.toml")),
    CHECKOUT / "templates/inventory/inventory.toml.j2",
]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.name)
def test_an_inventory_that_users_begin_with_speaks_plainly(path: Path) -> None:
    comments = [line.partition("#")[2] for line in path.read_text().splitlines()]
    assert [(text, found) for text in comments if (found := found_in(text))] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_module_speaks_plainly(path: Path) -> None:
    written = texts(path.read_text(), of_help=path.parent.name in ("cli", "checks") or path.name == "cli.py")
    assert [(line, text, found) for line, text in written if (found := found_in(text))] == []


def test_words_that_are_not_plain_are_found() -> None:
    source = 'say("is no key")\ndef f():\n    """Where it is said, it stands."""\n    return f"{x} tells why"\n'
    assert [line for line, text in texts(source, of_help=True) if found_in(text)] == [1, 4]
    assert found_in("Where nothing is set, the default counts.")
    assert not found_in("there is no key; `…` stands for a name; it is no longer there")
