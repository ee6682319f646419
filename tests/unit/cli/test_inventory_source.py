"""Which inventory is meant."""

from __future__ import annotations

from pathlib import Path

from tests.support.command_line import nodeprov, said


def test_which_inventory_was_found_is_said_unless_it_was_named_or_quiet_is_asked_for(folder: Path) -> None:
    (folder / "below").mkdir()
    path = str(folder / "nodeprov.toml")
    assert f"inventory: {path} (" in said(nodeprov("plan", "worker1", folder=folder / "below"))
    assert "inventory:" not in said(nodeprov("plan", "worker1", "-i", path))
    assert "inventory:" not in said(nodeprov("plan", "worker1", "-q", folder=folder))
    assert f"{path} (NODEPROV_INVENTORY is set)" in said(nodeprov("plan", "worker1", NODEPROV_INVENTORY=path))
