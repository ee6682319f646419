"""The manual and the schema that are published, against the settings that read an inventory."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import manual, parse, syntax
from nodeprov.inventory.kinds import FixedTable, ListOf, TableOf, Text, ValueKind, WholeNumber
from nodeprov.inventory.manual import json_schema
from nodeprov.inventory.schema import settings_of
from nodeprov.inventory.settings import TABLES, Members, NodeLabels, keys_of
from tests.support.inventories import BAD, Bad, anything, as_toml, tables

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", manual.files())
def test_what_is_published_is_what_the_settings_say(name: str) -> None:
    current = manual.files()[name] == (manual.DOCS / name).read_text()
    assert current, f"docs/{name} is stale: .venv/bin/{manual.COMMAND} writes it anew"


def test_the_manual_tells_every_key_with_its_meaning_and_its_variable() -> None:
    text = manual.files()["inventory.md"]
    for name, table in TABLES.items():
        assert f"\n## `[{name}]`\n\n{inspect.cleandoc(table.__doc__ or '')}\n" in text
        for key, setting in settings_of(table).items():
            section = text.partition(f"### `{name}.{key}`\n")[2].partition("\n### ")[0]
            assert section.strip().startswith(setting.doc)
            assert (f"`NODEPROV_{name.upper()}_{key.upper()}`" in section) == (key != "address")


def test_the_example_names_the_schema_that_is_published() -> None:
    first = (ROOT / "inventory/example.toml").read_text().splitlines()[0]
    named = first.removeprefix("#:schema ")
    assert (ROOT / "inventory" / named).resolve() == manual.DOCS / "inventory.schema.json"


SCHEMA = json_schema()


def test_the_schema_has_every_table_and_key_and_no_other() -> None:
    definitions = SCHEMA["$defs"]
    ssh, of_a_node = set(keys_of("ssh")), TABLES.keys() - {"ssh", "cluster", "rollout", "trust"}
    for name in TABLES:
        assert set(definitions[name]["properties"]) == set(keys_of(name)) - {"address"}
    assert set(definitions["node"]["properties"]) == ssh | of_a_node | {"labels", "handlers"}
    of_a_group = (ssh - {"address"}) | of_a_node | {"nodes", "labels", "handlers"}
    assert set(definitions["group"]["properties"]) == of_a_group
    assert set(definitions["host"]["properties"]) == ssh
    assert all(each["additionalProperties"] is False for each in definitions.values())


def scalars() -> Iterator[Text | WholeNumber]:
    for table in (*TABLES.values(), Members, NodeLabels):
        for setting in settings_of(table).values():
            yield from scalars_within(setting.kind)
    yield from (syntax.GROUP, syntax.DNS_SUBDOMAIN)


def scalars_within(kind: ValueKind | None) -> Iterator[Text | WholeNumber]:
    match kind:
        case Text() | WholeNumber():
            yield kind
        case ListOf():
            yield from scalars_within(kind.items)
        case TableOf():
            yield from (*scalars_within(kind.names), *scalars_within(kind.values))
        case FixedTable():
            yield from kind.members.values()


def within(value: Any) -> Iterator[Mapping[str, Any]]:
    """Walk through all tables of a JSON value."""
    if isinstance(value, list):
        for each in value:
            yield from within(each)
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from within(each)


def test_the_schema_has_each_rule_as_ecmascript_reads_it_and_no_other() -> None:
    patterns = {each["pattern"] for each in within(SCHEMA) if isinstance(each.get("pattern"), str)}
    assert patterns == {f"^(?:{each.pattern})$" for each in scalars() if isinstance(each, Text) and each.pattern}
    # What Python's expressions have, and ECMA-262's have not or mean otherwise.
    foreign = re.compile(r"\(\?P|\(\?>|\(\?#|\(\?[aiLmsux]+[):-]|\\[AZG]|[*+?}]\+|\(\?<|\(\?\(")
    assert [pattern for pattern in patterns if foreign.search(pattern)] == []


def test_the_schema_has_each_bound() -> None:
    bounds = {(each.get("minimum"), each.get("maximum")) for each in within(SCHEMA) if "minimum" in each}
    assert bounds == {(each.at_least, each.at_most) for each in scalars() if isinstance(each, WholeNumber)}


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "inventory").glob("*.toml")), ids=lambda path: path.name)
def test_the_inventories_here_are_valid_by_the_schema(validator: Any, path: Path) -> None:
    assert [error.message for error in validator.iter_errors(tomllib.loads(path.read_text()))] == []


# What needs more than one key to be seen, or no text of the file at all, or a calendar or the time zones.
BEYOND = (
    *("twice", "another", "two nodes", "is a host too", "no release", "unknown node", "unknown host", "glob"),
    *("that there is not", "that nobody has"),
)


def is_of_one_place(name: str, bad: Bad) -> bool:
    try:
        tomllib.loads(bad.text)
    except ValueError:
        return False
    return not (bad.options or bad.environment or any(word in name for word in BEYOND) or "two wishes" in name)


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if is_of_one_place(name, bad)])
def test_the_schema_refuses_what_the_reading_refuses_in_one_place(validator: Any, name: str) -> None:
    assert not validator.is_valid(tomllib.loads(BAD[name].text))


@given(given_tables=st.dictionaries(tables, anything, max_size=4))
def test_law_what_is_an_inventory_is_valid_by_the_schema(validator: Any, given_tables: dict[str, object]) -> None:
    text = "".join(f"{name} = {as_toml(value)}\n" for name, value in given_tables.items())
    try:
        parse(text, "i.toml")
    except UsageError:
        return
    assert validator.is_valid(tomllib.loads(text))
