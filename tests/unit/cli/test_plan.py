"""A saved plan is carried out on the nodes that it names; no node is reached here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeprov import __version__
from nodeprov.engine.saved_plan import Saved, SavedPlan, to_text
from nodeprov.hosts.ssh_signatures import LOCK, PLAN, sign
from nodeprov.inventory import parse
from nodeprov.inventory.explanation import inventory_text
from nodeprov.inventory.locked import with_trust_below
from nodeprov.node.receipts import Author
from nodeprov.plan.plan import INSTALL, UNINSTALL, Action
from tests.support.command_line import nodeprov, said
from tests.support.signing import allowed, ssh_key


def save(folder: Path, action: Action = INSTALL) -> Path:
    """Save a plan of the inventory's nodes, with the settings that it has now."""
    whole = parse((folder / "nodeprov.toml").read_text(), "nodeprov.toml")
    whole = with_trust_below(whole, folder)
    text = inventory_text(whole, whole.nodes)
    plans = tuple(SavedPlan(node.name, "", ()) for node in whole.nodes)
    author = Author("ann", "desk", __version__)
    saved = Saved("2026-11-21T10:00:00+00:00", author, action, False, text, plans)
    (folder / "x.plan").write_text(to_text(saved))
    return folder / "x.plan"


@pytest.mark.parametrize("action", [INSTALL, UNINSTALL], ids=lambda action: action.name)
def test_a_saved_plan_whose_node_cannot_be_reached_ends_with_1(folder: Path, action: Action) -> None:
    save(folder, action)
    output = nodeprov("apply", "x.plan", folder=folder)
    assert output.returncode == 1
    assert "worker1 (127.0.0.1): cannot be reached" in said(output)
    assert "nothing was changed on any node" in said(output)


def test_a_plan_that_drains_nothing_is_refused_with_drain(folder: Path) -> None:
    save(folder)
    output = nodeprov("apply", "x.plan", "--drain", folder=folder)
    assert output.returncode == 2
    assert "x.plan: nothing is evicted by this plan: --drain changes it" in said(output)
    assert "nodeprov plan NODES --drain --out FILE" in said(output)


def test_a_plan_keeps_that_its_nodes_are_drained(folder: Path) -> None:
    text = (folder / "nodeprov.toml").read_text()
    (folder / "nodeprov.toml").write_text(f"{text}[rollout]\ndrain = true\n")
    plan = save(folder)
    (folder / "nodeprov.toml").write_text(text)
    assert "drain = true" in json.loads(plan.read_text())["inventory"]
    assert "cannot be reached" in said(nodeprov("apply", "x.plan", "--drain", folder=folder))


@pytest.mark.parametrize("other", ["--rollback", "--gc", "--adopt"])
def test_what_empties_no_node_is_planned_without_drain(folder: Path, other: str) -> None:
    output = nodeprov("plan", "worker1", other, "--drain", folder=folder)
    assert output.returncode == 2
    assert "--drain is a part of an install or an uninstall" in said(output)


def trust(folder: Path, *names: str) -> None:
    allowed(folder, *names)
    text = (folder / "nodeprov.toml").read_text()
    (folder / "nodeprov.toml").write_text(f'{text}[trust]\nallowed_signers = "allowed_signers"\n')


def test_where_signers_are_configured_an_unsigned_plan_is_refused(folder: Path) -> None:
    plan = save(folder)
    trust(folder, "ann")
    output = nodeprov("apply", "x.plan", folder=folder)
    assert output.returncode == 2
    assert "x.plan: it is not signed" in said(output)
    assert "nodeprov sign x.plan" in said(output)
    assert "cannot be reached" not in said(output)
    assert nodeprov("sign", str(plan), "--key", str(ssh_key("ann")), folder=folder).returncode == 0
    output = nodeprov("apply", "x.plan", folder=folder)
    assert "signed by ann@example.com" in said(output)
    assert "cannot be reached" in said(output)


def test_a_plan_that_was_altered_or_signed_by_another_is_refused(folder: Path) -> None:
    plan = save(folder)
    signature = sign(plan.read_bytes(), PLAN, str(ssh_key("bob")))
    (folder / "x.plan.sig").write_bytes(signature)
    trust(folder, "ann")
    assert "does not allow" in said(nodeprov("apply", "x.plan", folder=folder))
    allowed(folder, "bob")
    assert "signed by bob" in said(nodeprov("apply", "x.plan", folder=folder))
    plan.write_bytes(plan.read_bytes() + b"\n")
    output = nodeprov("apply", "x.plan", folder=folder)
    assert output.returncode == 2
    assert "x.plan.sig: what was signed is something else" in said(output)


def test_a_signature_of_a_lock_is_none_of_a_plan(folder: Path) -> None:
    plan = save(folder)
    (folder / "x.plan.sig").write_bytes(sign(plan.read_bytes(), LOCK, str(ssh_key("ann"))))
    trust(folder, "ann")
    assert "for another purpose than nodeprov.plan" in said(nodeprov("apply", "x.plan", folder=folder))


def test_a_plan_that_was_saved_with_signers_asks_for_them_elsewhere_too(folder: Path) -> None:
    trust(folder, "ann")
    plan = save(folder)
    output = nodeprov("apply", str(plan), folder=Path("/"))
    assert output.returncode == 2
    assert "it is not signed" in said(output)


def test_an_inventory_that_cannot_be_read_cannot_say_who_may_sign(folder: Path) -> None:
    save(folder)
    output = nodeprov("apply", "x.plan", "--inventory", "none.toml", folder=folder)
    assert output.returncode == 2
    assert "cannot read the inventory" in said(output)
