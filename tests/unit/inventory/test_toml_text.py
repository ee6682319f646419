"""A text that is no TOML."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.inventory import parse


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"^inventory.toml:2: no valid TOML"):
        parse("[release]\nversion = latest\n", "inventory.toml")
