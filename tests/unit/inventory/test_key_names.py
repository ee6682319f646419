"""The names of settings in the environment."""

from __future__ import annotations

from nodeprov.inventory.key_names import TABLES, keys_of, variable


def test_every_key_has_a_variable_of_its_own() -> None:
    names = [variable(table, key) for table in TABLES for key in keys_of(table)]
    assert len(set(names)) == len(names)
    assert "NODEPROV_RUNTIME_CLASS_NODE_SELECTOR" in names
