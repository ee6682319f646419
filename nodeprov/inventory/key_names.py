"""The tables and keys of settings, and what each is called in the environment."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from nodeprov.inventory.settings import Settings, Ssh

PREFIX = "NODEPROV_"
TABLES: Mapping[str, type] = {"ssh": Ssh, **typing.get_type_hints(Settings)}
"""Every table of settings, by its name in the file."""


def variable(table: str, key: str) -> str:
    """Name the environment variable of a key."""
    return f"{PREFIX}{table}_{key}".upper()


def keys_of(table: str) -> list[str]:
    """List the keys of a table."""
    return [each.name for each in dataclasses.fields(TABLES[table])]


def optional(hint: Any) -> Any:
    """Return the type of a key that may be left out, as it is where the key is said."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint
