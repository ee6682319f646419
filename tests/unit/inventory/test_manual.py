"""The manual that is published, against the settings that read an inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.inventory import manual
from nodeprov.inventory.key_names import TABLES
from nodeprov.inventory.schema import settings_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", manual.files())
def test_what_is_published_is_what_the_settings_say(name: str) -> None:
    current = manual.files()[name] == (manual.DOCS / name).read_text()
    assert current, f"docs/{name} is stale: .venv/bin/{manual.COMMAND} writes it anew"


def test_the_manual_tells_every_key_with_its_meaning_and_its_variable() -> None:
    text = manual.files()["inventory.md"]
    for name, table in TABLES.items():
        assert f"\n## `[{name}]`\n\n{table.__doc__}\n" in text
        for key, setting in settings_of(table).items():
            section = text.partition(f"### `{name}.{key}`\n")[2].partition("\n### ")[0]
            assert section.strip().startswith(setting.doc)
            assert (f"`NODEPROV_{name.upper()}_{key.upper()}`" in section) == (key != "address")


def test_the_example_names_the_schema_that_is_published() -> None:
    first = (ROOT / "inventory/example.toml").read_text().splitlines()[0]
    named = first.removeprefix("#:schema ")
    assert (ROOT / "inventory" / named).resolve() == manual.DOCS / "inventory.schema.json"
