"""The tables and keys of settings, and what each is called in the environment."""

from __future__ import annotations

import typing
from collections.abc import Mapping

from nodeprov.inventory.schema import settings_of
from nodeprov.inventory.settings import Settings, Ssh

PREFIX = "NODEPROV_"
TABLES: Mapping[str, type] = {"ssh": Ssh, **typing.get_type_hints(Settings)}
"""Every table of settings, by its name in the file."""


def variable(table: str, key: str) -> str:
    """Name the environment variable of a key."""
    return f"{PREFIX}{table}_{key}".upper()


def keys_of(table: str) -> list[str]:
    """List the keys of a table."""
    return list(settings_of(TABLES[table]))
