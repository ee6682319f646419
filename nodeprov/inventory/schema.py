"""Tables of settings: a dataclass says once what each key is, and the text of a table is read by it.

`setting` keeps a key's meaning beside its type and default, where a JSON Schema and the manual are made from too.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.toml import KeyPath, Lines, dotted


@dataclass(frozen=True, slots=True)
class Rule:
    """What a string or a number must be: in words, and as a pattern or as the least and the most."""

    expected: str
    pattern: str | None = None
    at_least: int | None = None
    at_most: int | None = None

    def accepts(self, value: str | int) -> bool:
        """Tell whether a value is a good one."""
        if isinstance(value, str):
            return self.pattern is not None and re.fullmatch(self.pattern, value) is not None
        least = value if self.at_least is None else self.at_least
        most = value if self.at_most is None else self.at_most
        return self.pattern is None and least <= value <= most


def setting(
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    rule: Rule | Mapping[str, Rule] | None = None,
    names: Rule | None = None,
) -> Any:
    """Describe a key: what it is for, its default, the rule of its values, and of the names if it is a table.

    A mapping of rules says which names a table may have, and the rule of each.
    """
    metadata = {"doc": doc, "rule": rule, "names": names}
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the path to it, what, and the way out.

    `place` is where it was said if that is not the file: an environment variable or an option.
    """

    path: KeyPath
    message: str
    hint: str = ""
    place: str = ""


class Faulty(UsageError):
    """All that is wrong with a file, and what is laid over it, at once, each with its line."""

    def __init__(self, faults: Sequence[Fault], text: str, file: str) -> None:
        super().__init__("; ".join(fault.message for fault in faults), where=file)
        self.faults = tuple(dict.fromkeys(faults))
        self._text = text

    def __str__(self) -> str:
        return "\n".join(str(part) for part in self.parts())

    def parts(self) -> tuple[NodeprovError, ...]:
        """Say each fault by itself, in the order of the file."""
        known = Lines(self._text)
        lines = {each: known.of(each.path) if each.path and not each.place else None for each in self.faults}
        ordered = sorted(self.faults, key=lambda fault: (bool(fault.place), lines[fault] or 0))
        return tuple(self._part(fault, lines[fault]) for fault in ordered)

    def _part(self, fault: Fault, line: int | None) -> NodeprovError:
        place = fault.place or (f"{self.where}:{line}" if line else self.where)
        name = f"{_named(fault.path)} " if fault.path and not fault.place else ""
        return UsageError(f"{name}{fault.message}", fault.hint, where=place)


def read(
    table: type, raw: Any, path: KeyPath, faults: list[Fault], *, besides: Iterable[str] = ()
) -> dict[str, Any]:
    """Read what is given in a table; what is wrong is added to `faults`. Keys in `besides` are somebody else's."""
    if not isinstance(raw, Mapping):
        faults.append(Fault(path, "is not a table", f"write it as [{dotted(path)}]"))
        return {}
    fields = {field.name: field for field in dataclasses.fields(table)}
    hints = typing.get_type_hints(table)
    known = [*fields, *besides]
    given = {}
    for name, value in raw.items():
        if name in fields:
            found = list(_faults(value, hints[name], fields[name].metadata, (*path, name)))
            faults += found
            if not found:
                given[name] = tuple(value) if isinstance(value, list) else value
        elif name not in known:
            faults.append(_unknown((*path, name), value, known))
    return given


def _unknown(path: KeyPath, value: Any, known: Sequence[str]) -> Fault:
    hint = nearest(path[-1], known)
    if isinstance(value, Mapping):
        quoted = dotted((*path[:-2], ".".join(path[-2:])))
        hint += f"; or, if the dot is a part of the name: [{quoted}]"
    return Fault(path, "is no key that is known here", hint)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was perhaps meant, or which there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def _named(path: KeyPath) -> str:
    return f"[{dotted(path[:-1])}] {dotted(path[-1:])}" if len(path) > 1 else f"[{dotted(path)}]"


def _faults(value: Any, hint: Any, metadata: Mapping[str, Any], path: KeyPath) -> Iterator[Fault]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        fitting = [each for each in arguments if each is not type(None) and _is_a(value, each)]
        hint = fitting[0] if fitting else arguments[0]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if not _is_a(value, hint):
        yield Fault(path, f"is {_kind(value)}, and not {_wanted(hint)}", _as_wanted(value, hint))
    elif origin is tuple:
        for each in value:
            yield from _faults(each, arguments[0], metadata, path)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _member_faults(name, each, arguments[1], metadata, path)
    else:
        rule: Rule | None = metadata.get("rule")
        if rule and not rule.accepts(value):
            yield Fault(path, f"is {value!r}, and not {rule.expected}")


def _member_faults(
    name: str, value: Any, hint: Any, metadata: Mapping[str, Any], path: KeyPath
) -> Iterator[Fault]:
    names: Rule | None = metadata.get("names")
    rule = metadata.get("rule")
    if isinstance(rule, Mapping):
        if name not in rule:
            yield Fault((*path, name), "is no key that is known here", nearest(name, rule))
        rule = rule.get(name)
    elif names and not names.accepts(name):
        yield Fault((*path, name), f"is not {names.expected}")
    yield from _faults(value, hint, {"rule": rule}, (*path, name))


def _is_a(value: Any, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    kinds: dict[Any, type] = {tuple: list}
    kind = typing.get_origin(hint) or hint
    return isinstance(value, kinds.get(kind, kind))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a string", int: "a number", float: "a fraction", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")


def _wanted(hint: Any) -> str:
    names: dict[Any, str] = {str: "a string", int: "a whole number", bool: "true or false", tuple: "a list"}
    return names.get(typing.get_origin(hint) or hint, "a table")


def _as_wanted(value: Any, hint: Any) -> str:
    if hint is str and isinstance(value, bool | int | float):
        return f'write it as "{str(value).lower()}"'
    if hint is int and isinstance(value, str) and value.isdigit():
        return "write it without quotes"
    return ""
