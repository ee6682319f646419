"""What the tests of inventories share."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.inventory import Inventory, parse

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lab() -> Inventory:
    """The inventory of the lab; no lab is brought up."""
    return parse((ROOT / "inventory/lab.toml").read_text(), "inventory/lab.toml")
