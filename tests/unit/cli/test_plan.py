"""A saved plan is carried out on the nodes that it names; no node is reached here."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov import __version__
from nodeprov.engine.saved_plan import Saved, SavedPlan, to_text
from nodeprov.inventory import parse
from nodeprov.inventory.explanation import inventory_text
from nodeprov.node.receipts import Author
from nodeprov.plan.plan import INSTALL, UNINSTALL, Action
from tests.support.command_line import nodeprov, said


@pytest.mark.parametrize("action", [INSTALL, UNINSTALL], ids=lambda action: action.name)
def test_a_saved_plan_whose_node_cannot_be_reached_ends_with_1(folder: Path, action: Action) -> None:
    whole = parse((folder / "nodeprov.toml").read_text(), "nodeprov.toml")
    text = inventory_text(whole, whole.nodes)
    plans = tuple(SavedPlan(node.name, "", ()) for node in whole.nodes)
    author = Author("ann", "desk", __version__)
    saved = Saved("2026-11-21T10:00:00+00:00", author, action, False, text, plans)
    (folder / "x.plan").write_text(to_text(saved))
    output = nodeprov("apply", "x.plan", folder=folder)
    assert output.returncode == 1
    assert "worker1 (127.0.0.1): cannot be reached" in said(output)
    assert "nothing was changed on any node" in said(output)
