"""The messages of the program, as its source has them: what happened, what to type, and why it matters."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nodeprov

PRODUCT = Path(nodeprov.__file__).parent
FILLED_IN = re.compile(r"\{([A-Z…]+)\}")
"""Stands for what a message takes from the moment, such as {PATH}; {…} if it has no short name."""

_IN_ORDER = ("message", "hint", "why")
_PLACES: Mapping[str, int] = {
    **dict.fromkeys(
        ("NodeprovError", "UsageError", "CommandFailed", "Problem", "Busy", "TakenOver", "DamagedError"), 0
    ),
    **dict.fromkeys(("Refused", "_Refused", "RolledBack", "RollbackFailed", "ApiError", "_Wrong", "because"), 0),
    "Fault": 1,  # behind the path of the setting
}
"""At which argument the message of a call begins; the hint and the reason follow it."""

_SAYING_NOTHING = ("each", "error", "found", "hint", "message", "said", "strerror", "text", "what", "why")


@dataclass(frozen=True, slots=True)
class Message:
    """One message; each part in all forms that the source has for it."""

    path: Path
    line: int
    kind: str
    text: str
    hints: tuple[str, ...]
    whys: tuple[str, ...]

    @property
    def room(self) -> str:
        """The package that says it."""
        return self.path.relative_to(PRODUCT).parts[0].removesuffix(".py")


@cache
def messages() -> tuple[Message, ...]:
    """Find all messages that have words of their own, in the order of the source."""
    return tuple(each for path in sorted(PRODUCT.rglob("*.py")) for each in in_source(path, path.read_text()))


def in_source(path: Path, source: str) -> Iterator[Message]:
    """Find the messages of a module."""
    tree = ast.parse(source)
    for function, call in _calls(tree, tree):
        kind = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if kind not in _PLACES:
            continue
        parts = dict(zip(_IN_ORDER, call.args[_PLACES[kind] :], strict=False))
        parts |= {each.arg: each.value for each in call.keywords if each.arg and each.arg in _IN_ORDER}
        said = {name: tuple(_forms(value, [function, tree])) for name, value in parts.items()}
        for text in said.get("message", ()):
            if _has_words(text):
                hints = tuple(each for each in said.get("hint", ()) if _has_words(each))
                yield Message(path, call.lineno, kind, text, hints, said.get("why", ()))


def _calls(tree: ast.AST, function: ast.AST) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Find the calls below a node, each with the function that it is in."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Call):
            yield function, child
        inner = child if isinstance(child, ast.FunctionDef) else function
        yield from _calls(child, inner)


def _forms(value: ast.AST, scopes: Sequence[ast.AST]) -> Iterator[str]:
    """Write the texts that an expression may have: names are looked up, and what is not known is filled in."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(_part(each, scopes) for each in values).replace("{…}{…}", "{…}")
        case ast.BinOp(left=left, right=right):
            yield "".join(_part(each, scopes) for each in (left, right))
        case ast.IfExp(body=body, orelse=other):
            yield from _all_forms([body, other], scopes)
        case ast.BoolOp(values=values):
            yield from _all_forms(values, scopes)
        case ast.Name(id=name):
            yield from _named_forms(name, scopes)


def _all_forms(values: Sequence[ast.AST], scopes: Sequence[ast.AST]) -> Iterator[str]:
    for each in values:
        yield from _forms(each, scopes)


def _named_forms(name: str, scopes: Sequence[ast.AST]) -> Iterator[str]:
    """Look a name up in the innermost scope that assigns it."""
    for number, scope in enumerate(scopes):
        if found := _assigned(scope).get(name):
            yield from _all_forms(found, scopes[number + 1 :])
            return


def _part(value: ast.AST, scopes: Sequence[ast.AST]) -> str:
    """Write a part of a text: its only form, or what stands for it."""
    inner: ast.AST = value.value if isinstance(value, ast.FormattedValue) else value
    forms = list(_forms(inner, scopes))
    if len(forms) == 1:
        return forms[0]
    named = getattr(inner, "attr", getattr(inner, "id", ""))
    is_short = named.isalpha() and len(named) > 2 and named not in _SAYING_NOTHING
    return f"{{{named.upper() if is_short else '…'}}}"


@cache
def _assigned(scope: ast.AST) -> Mapping[str, list[ast.AST]]:
    """List what is assigned to each name in a function, or at the top of a module."""
    found: dict[str, list[ast.AST]] = defaultdict(list)
    inside = scope.body if isinstance(scope, ast.Module) else list(ast.walk(scope))
    for each in inside:
        if isinstance(each, ast.Assign):
            for target in each.targets:
                if isinstance(target, ast.Name):
                    found[target.id].append(each.value)
    return found


def _has_words(text: str) -> bool:
    return sum(letter.isalpha() for letter in FILLED_IN.sub("", text)) > 3
