"""Kinds of values: each finds what is wrong with a value, and describes itself to editors and in the manual."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, ClassVar

from nodeprov.errors import toml_table
from nodeprov.inventory.faults import Fault, nearest
from nodeprov.toml import KeyPath

Schema = dict[str, Any]


class ValueKind:
    """What a value must be.

    Plain classes: making a dataclass takes 0.4 ms, and every command that reads an inventory would wait for six.
    """

    python_type: ClassVar[type]
    name: ClassVar[str]
    expected = ""
    """What a value of the right type must be, in words; "" for any."""

    def fits(self, value: Any) -> bool:
        """Return whether a value has the right type, whatever is in it."""
        return isinstance(value, self.python_type) and not isinstance(value, bool)

    def faults(self, value: Any, path: KeyPath) -> Iterator[Fault]:
        """Find what is wrong with the value at a path."""
        if self.fits(value):
            yield from self.faults_within(value, path)
        else:
            yield Fault(path, f"is {_type_name(value)}, and not {self.name}", self.correction(value))

    def accepts(self, _value: Any) -> bool:
        """Return whether a value of the right type is a good one."""
        return True

    def faults_within(self, value: Any, path: KeyPath) -> Iterator[Fault]:
        """Find what is wrong with a value of the right type."""
        if not self.accepts(value):
            yield Fault(path, f"is {value!r}, and not {self.expected}")

    def correction(self, _value: Any) -> str:
        """Suggest how to write a value of another type; "" if there is no suggestion."""
        return ""

    def parsed(self, text: str) -> Any:
        """Read the text of an option or a variable as TOML, or as a string where it is none."""
        return _toml_value(text)

    def schema(self) -> Schema:
        """Describe it as a JSON Schema."""
        raise NotImplementedError

    def described(self) -> str:
        """Describe it in words."""
        return f"{self.name} ({self.expected})" if self.expected else self.name


class Text(ValueKind):
    """A string; one with a pattern has the expectation in words, too."""

    python_type = str
    name = "a string"

    def __init__(self, expected: str = "", pattern: str | None = None) -> None:
        self.expected, self.pattern = expected, pattern

    def accepts(self, value: str) -> bool:
        return self.pattern is None or re.fullmatch(self.pattern, value) is not None

    def correction(self, value: Any) -> str:
        return f'write it as "{str(value).lower()}"' if isinstance(value, bool | int | float | date) else ""

    def parsed(self, text: str) -> Any:
        value = _toml_value(text)
        return value if isinstance(value, str) else text.strip()

    def schema(self) -> Schema:
        if self.pattern is None:
            return {"type": "string"}
        return {"type": "string", "description": self.expected, "pattern": f"^(?:{self.pattern})$"}


class Dates(Text):
    """A day of the calendar, or a first and a last one."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected, r"[0-9]{4}-[0-9]{2}-[0-9]{2}(/[0-9]{4}-[0-9]{2}-[0-9]{2})?")

    def accepts(self, value: str) -> bool:
        if not super().accepts(value):
            return False
        try:
            days = [date.fromisoformat(each) for each in value.split("/")]
        except ValueError:
            return False
        return days == sorted(days)


class TimeZone(Text):
    """A time zone that this machine knows."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected, r"[A-Za-z][A-Za-z0-9_+/-]*")

    def accepts(self, value: str) -> bool:
        from zoneinfo import ZoneInfo  # only where one is set

        try:
            return super().accepts(value) and (value == "UTC" or bool(ZoneInfo(value)))
        except (ValueError, LookupError, OSError):
            return False


class LabelSelector(Text):
    """A selector of labels, as kubectl writes it."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected, r"[A-Za-z0-9!](.*[^,\s])?")

    def accepts(self, value: str) -> bool:
        from nodeprov.errors import UsageError  # only where one is set
        from nodeprov.inventory.selector import parse_selector

        try:
            return super().accepts(value) and bool(parse_selector(value))
        except UsageError:
            return False


class WholeNumber(ValueKind):
    """A whole number from a least to a most one."""

    python_type = int
    name = "a whole number"

    def __init__(self, expected: str, at_least: int, at_most: int | None = None) -> None:
        self.expected, self.at_least, self.at_most = expected, at_least, at_most

    def accepts(self, value: int) -> bool:
        return self.at_least <= value and (self.at_most is None or value <= self.at_most)

    def correction(self, value: Any) -> str:
        return "write it without quotes" if isinstance(value, str) and value.isdigit() else ""

    def schema(self) -> Schema:
        most = {} if self.at_most is None else {"maximum": self.at_most}
        return {"type": "integer", "description": self.expected, "minimum": self.at_least, **most}


class Boolean(ValueKind):
    """True or false."""

    python_type = bool
    name = "true or false"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)

    def schema(self) -> Schema:
        return {"type": "boolean"}


class ListOf(ValueKind):
    """A list of values of one kind."""

    python_type = list
    name = "a list"

    def __init__(self, items: ValueKind) -> None:
        self.items = items

    def faults_within(self, value: Any, path: KeyPath) -> Iterator[Fault]:
        for each in value:
            yield from self.items.faults(each, path)

    def schema(self) -> Schema:
        return {"type": "array", "items": self.items.schema()}

    def described(self) -> str:
        return f"a list, each {self.items.described()}"


class TableOf(ValueKind):
    """A table of values of one kind, by names that may have to match a pattern."""

    python_type = Mapping
    name = "a table"

    def __init__(self, values: ValueKind, names: Text | None = None) -> None:
        self.values, self.names = values, names

    def faults_within(self, value: Any, path: KeyPath) -> Iterator[Fault]:
        for name, each in value.items():
            if self.names and not self.names.accepts(name):
                yield Fault((*path, name), f"is not {self.names.expected}")
            yield from self.values.faults(each, (*path, name))

    def schema(self) -> Schema:
        names = {"propertyNames": self.names.schema()} if self.names else {}
        return {"type": "object", **names, "additionalProperties": self.values.schema()}

    def described(self) -> str:
        named = f" with names ({self.names.expected})" if self.names else ""
        return f"a table{named}, each value {self.values.described()}"


class FixedTable(ValueKind):
    """A table with these names only, each with a kind of its own."""

    python_type = Mapping
    name = "a table"

    def __init__(self, members: Mapping[str, Text | WholeNumber]) -> None:
        self.members = members

    def faults_within(self, value: Any, path: KeyPath) -> Iterator[Fault]:
        for name, each in value.items():
            kind = self.members.get(name)
            if kind is None:
                yield Fault((*path, name), "is not a known key here", nearest(name, self.members))
            elif type(each) in (str, int) and not kind.fits(each):
                yield Fault((*path, name), f"is {each!r}, and not {kind.expected}")
            else:
                yield from kind.faults(each, (*path, name))

    def schema(self) -> Schema:
        properties = {name: each.schema() for name, each in self.members.items()}
        return {"type": "object", "additionalProperties": False, "properties": properties}

    def described(self) -> str:
        return "a table of " + ", ".join(f"`{name}` ({each.expected})" for name, each in self.members.items())


def _toml_value(text: str) -> Any:
    try:
        values = toml_table(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    return values["value"] if values.keys() == {"value"} else text.strip()


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a string", int: "a number", float: "a fraction", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")
