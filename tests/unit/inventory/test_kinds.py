"""Kinds of values: what is wrong with one, how one is read from an option, and how it describes itself."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.inventory.kinds import Boolean, FixedTable, ListOf, TableOf, Text, ValueKind, WholeNumber

WORD = Text("a word", r"[a-z]+")
PORT = WholeNumber("a port", at_least=1, at_most=9)
MEMBERS = FixedTable({"name": WORD, "port": PORT})


def faults(kind: ValueKind, value: Any) -> list[tuple[tuple[str, ...], str, str]]:
    return [(each.path[1:], each.message, each.hint) for each in kind.faults(value, ("key",))]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (WORD, "abc"),
        (Text(), ""),
        (PORT, 9),
        (WholeNumber("a number", at_least=0), 10**9),
        (Boolean(), False),
        (ListOf(WORD), ["a", "b"]),
        (TableOf(WORD, names=WORD), {"a": "b"}),
        (MEMBERS, {"name": "a", "port": 1}),
        (MEMBERS, {}),
    ],
)
def test_a_good_value_has_no_fault(kind: ValueKind, value: Any) -> None:
    assert faults(kind, value) == []


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (WORD, "A", [((), "is 'A', and not a word", "")]),
        (WORD, "a\n", [((), r"is 'a\n', and not a word", "")]),
        (WORD, True, [((), "is true, and not a string", 'write it as "true"')]),
        (WORD, 1.5, [((), "is a fraction, and not a string", 'write it as "1.5"')]),
        (PORT, 10, [((), "is 10, and not a port", "")]),
        (PORT, "9", [((), "is a string, and not a whole number", "write it without quotes")]),
        (PORT, True, [((), "is true, and not a whole number", "")]),
        (Boolean(), 1, [((), "is a number, and not true or false", "")]),
        (
            ListOf(WORD),
            ["a", "B", 1],
            [((), "is 'B', and not a word", ""), ((), "is a number, and not a string", 'write it as "1"')],
        ),
        (
            TableOf(WORD, names=WORD),
            {"A": "B"},
            [(("A",), "is not a word", ""), (("A",), "is 'B', and not a word", "")],
        ),
        (MEMBERS, {"nam": "a"}, [(("nam",), "is not a known key here", "did you mean name?")]),
        (
            MEMBERS,
            {"port": "x", "name": []},
            [(("port",), "is 'x', and not a port", ""), (("name",), "is a list, and not a string", "")],
        ),
    ],
)
def test_each_fault_of_a_value_is_told_with_its_place(
    kind: ValueKind, value: Any, found: list[tuple[tuple[str, ...], str, str]]
) -> None:
    assert faults(kind, value) == found


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (WORD, " a ", "a"),
        (WORD, '"a"', "a"),
        (WORD, "true", "true"),
        (PORT, "7", 7),
        (PORT, "many", "many"),
        (Boolean(), "true", True),
        (ListOf(WORD), "['a', 'b']", ["a", "b"]),
        (TableOf(WORD), "{ a = 'b' }", {"a": "b"}),
        (WORD, "1\nother = 2", "1\nother = 2"),
    ],
)
def test_the_text_of_an_option_is_toml_or_a_string(kind: ValueKind, text: str, value: Any) -> None:
    assert kind.parsed(text) == value


def test_a_kind_describes_itself_to_editors_and_in_words() -> None:
    word = {"type": "string", "description": "a word", "pattern": "^(?:[a-z]+)$"}
    port = {"type": "integer", "description": "a port", "minimum": 1, "maximum": 9}
    assert (WORD.schema(), PORT.schema(), Boolean().schema(), Text().schema()) == (
        word,
        port,
        {"type": "boolean"},
        {"type": "string"},
    )
    assert ListOf(WORD).schema() == {"type": "array", "items": word}
    assert TableOf(PORT, names=WORD).schema() == {
        "type": "object",
        "propertyNames": word,
        "additionalProperties": port,
    }
    assert MEMBERS.schema()["properties"] == {"name": word, "port": port}
    assert (
        TableOf(PORT, names=WORD).described() == "a table with names (a word), each value a whole number (a port)"
    )
    assert MEMBERS.described() == "a table of `name` (a word), `port` (a port)"
