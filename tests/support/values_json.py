"""Values of nodeprov as JSON and back: dataclasses, errors, enumerations, bytes; each is written once."""

from __future__ import annotations

import base64
import dataclasses
import enum
import importlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from nodeprov.errors import NodeprovError


def to_json(value: Any) -> str:
    """Write a value, with a line for each part of it; functions are left out, and are None when it is read."""
    writer = _Writer()
    top = writer.plain(value)
    lines = [json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in [*writer.parts, top]]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def from_json(text: str) -> Any:
    """Read what to_json has written; raise what Python does if a class or a field is there no more."""
    *parts, top = json.loads(text)
    known: list[Any] = []
    for each in parts:
        known.append(_value(each, known))
    return _value(top, known)


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


class _Writer:
    def __init__(self) -> None:
        self.parts: list[Any] = []
        self._known: dict[str, int] = {}

    def plain(self, value: Any) -> Any:
        match value:
            case None | bool() | str() | int() | float() if not isinstance(value, enum.Enum):
                return value
            case list():
                return [self.plain(each) for each in value]
        return self._part(self._tagged(value))

    def _part(self, tagged: Any) -> Any:
        if tagged is None:
            return None
        key = json.dumps(tagged)
        if key not in self._known:
            self._known[key] = len(self.parts)
            self.parts.append(tagged)
        return {"part": self._known[key]}

    def _tagged(self, value: Any) -> Any:
        match value:
            case enum.Enum():
                return {"enum": _name(type(value)), "name": value.name}
            case bytes():
                return {"bytes": base64.b64encode(value).decode()}
            case PurePath():
                return {"path": str(value)}
            case tuple():
                return {"tuple": [self.plain(each) for each in value]}
            case set() | frozenset():
                return {"set": [self.plain(each) for each in sorted(value)]}
            case Mapping():
                return {"pairs": [[self.plain(key), self.plain(each)] for key, each in value.items()]}
            case NodeprovError():
                return {"error": [value.message, value.hint, value.where]}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {each.name: self.plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
            return {"of": _name(type(value)), **fields}
        assert callable(value), f"a {type(value)} has no form as JSON"
        return None


def _value(plain: Any, known: list[Any]) -> Any:
    if isinstance(plain, list):
        return [_value(each, known) for each in plain]
    if not isinstance(plain, dict):
        return plain
    if "of" in plain:
        fields = {name: _value(each, known) for name, each in plain.items() if name != "of"}
        return _instance(_class(plain["of"]), fields)
    return known[plain["part"]] if "part" in plain else _built_in(plain, known)


def _built_in(plain: dict[str, Any], known: list[Any]) -> Any:
    match plain:
        case {"enum": kind, "name": name}:
            return _class(kind)[name]
        case {"bytes": text}:
            return base64.b64decode(text)
        case {"path": text}:
            return PurePath(text)
        case {"tuple": items}:
            return tuple(_value(each, known) for each in items)
        case {"set": items}:
            return frozenset(_value(each, known) for each in items)
        case {"pairs": pairs}:
            return {_value(key, known): _value(each, known) for key, each in pairs}
        case {"error": [message, hint, where]}:
            return NodeprovError(message, hint, where=where)
    raise ValueError(f"this is no part of a value: {plain}")


def _class(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for each in path.split("."):
        found = getattr(found, each)
    return found


def _instance(kind: Any, values: dict[str, Any]) -> Any:
    """Make an instance: a field that is new to the class has its default, and one that it has no more goes."""
    made = object.__new__(kind)
    for each in dataclasses.fields(kind):
        object.__setattr__(made, each.name, values[each.name] if each.name in values else _default(kind, each))
    return made


def _default(kind: type, field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    assert field.default is not dataclasses.MISSING, (
        f"{kind.__name__} has a field {field.name} now: script/screens"
    )
    return field.default
