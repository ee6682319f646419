"""What nodeprov wrote before its modules were put into packages, recorded on a node of the lab: it is still read.

It had installed a release, then another one, and was killed when it uninstalled. On a real node, and with that
nodeprov out of git, tests/lab/test_upgrade_of_nodeprov.py does the like.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov import inventory
from nodeprov.containerd import remove_runtime
from nodeprov.engine import saved_plan
from nodeprov.engine.look import Uninstall
from nodeprov.hosts.base import Place
from nodeprov.inventory import ClusterSettings
from nodeprov.node import fact_parsers as parse
from nodeprov.node.receipts import History, from_json, to_json
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState, LinkState, TreeState
from tests.support.runtimes import generation_of, runsc_toml, runtime_of
from tests.support.samples import CONFIG as CONFIG_TEXT
from tests.support.samples import GOLDEN, FakeReader, good_daemon, good_facts, node, settings, with_daemon
from tests.support.situations import planned

RECORDED = GOLDEN / "old-receipts"
RECEIPTS = sorted((RECORDED / "receipts").iterdir())
CONFIG = "file:/etc/containerd/config.toml"
CURRENT = "link:/opt/nodeprov/handlers/runsc/current"
FIRST, SECOND = "6aab73fc582e", "318a94d7a214"
"""The generations that it had installed."""
RUNSC = runtime_of(settings())


def values(*names: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in RECEIPTS if not names or path.name in names]


def history(*names: str) -> History:
    return History.read(
        values(*names), machine_id=good_facts().machine.machine_id, handler="runsc", node="worker1"
    )


@pytest.mark.parametrize("path", RECEIPTS, ids=lambda path: path.name)
def test_a_receipt_is_read_and_would_be_written_as_it_is(path: Path) -> None:
    receipt = from_json(json.loads(path.read_text()))
    assert receipt.name == path.name
    assert json.dumps(to_json(receipt), indent=1) == path.read_text().rstrip("\n")


def test_its_receipts_tell_what_was_there_before_it_and_what_it_has_left() -> None:
    told = history("000001-install.json", "000002-install.json")
    assert [(each.number, each.state) for each in told.installed] == [(1, "done"), (2, "done")]
    assert (told.interrupted, told.next_number) == (None, 3)
    before, after = told.before_us[CONFIG], told.written[CONFIG]
    assert isinstance(before, FileState)
    assert isinstance(after, FileState)
    assert remove_runtime(after.content.decode(), RUNSC) == before.content.decode()
    assert told.before_us[CURRENT] is None
    (_, change), _ = told.changes_of(CURRENT)
    assert (change.before, change.after) == (LinkState("6aab73fc582e"), LinkState("318a94d7a214"))
    assert told.written[CURRENT] == change.after


def test_the_release_and_the_generation_that_it_has_installed_would_get_the_same_names() -> None:
    """Otherwise the first run of this nodeprov would upload all again."""
    told = history("000001-install.json")
    (tree,) = (state for state in told.written.values() if isinstance(state, TreeState))
    made = Release("20260518.0", "x86_64", "archive", Path("/nowhere"), tree, {})
    assert f"tree:/opt/nodeprov/releases/{made.name}" in told.written
    daemon = good_daemon(dump=CONFIG_TEXT.replace("SystemdCgroup = true", "SystemdCgroup = false"))
    again = generation_of(settings(), made, good_facts(daemon=daemon))
    written = told.written[f"file:{again.folder}/runsc.toml"]
    assert (again.digest, isinstance(written, FileState) and written.content.decode()) == (
        FIRST,
        runsc_toml(again),
    )


def test_its_run_that_was_killed_is_known_for_one() -> None:
    broken = history().interrupted
    assert broken is not None
    assert (broken.action, broken.author.user, broken.author.controller) == ("uninstall", "ann", "desk")


def test_what_it_has_installed_is_uninstalled_to_the_byte() -> None:
    told = history("000001-install.json", "000002-install.json")
    before, after = told.before_us[CONFIG], told.written[CONFIG]
    assert isinstance(after, FileState)
    installed = with_daemon(good_facts(receipts=tuple(values("000001-install.json", "000002-install.json"))))
    assert installed.daemon is not None
    installed = replace(installed, daemon=replace(installed.daemon, config=after, dump=after.content.decode()))
    wanted = settings(cluster=ClusterSettings(enabled=False))
    plan = planned(node(wanted), {Place.NODE: FakeReader(installed)}, Uninstall(GVISOR)).plan
    changes = {change.resource.key: change.after for change in plan.changes}
    assert changes[CONFIG] == before


def test_its_record_of_what_containerd_has_loaded_is_read() -> None:
    text = (RECORDED / "daemon.json").read_text()
    record = parse.record(text)
    assert record is not None
    assert record.identity.pid == json.loads(text)["pid"]
    assert record.effective.runtime("runsc") is not None


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_a_plan_that_it_has_saved_is_read_and_would_be_saved_as_it_is(action: str) -> None:
    text = (RECORDED / f"{action}.plan").read_text()
    saved = saved_plan.from_text(text, "x.plan", "0.1.0")
    assert (saved.action.name, saved.drain, [plan.node for plan in saved.plans]) == (action, False, ["worker1"])
    assert saved_plan.to_text(saved) == text


def test_its_inventory_and_the_one_in_its_saved_plan_mean_the_same_node() -> None:
    whole = inventory.parse((RECORDED / "inventory.toml").read_text(), "inventory.toml")
    saved = saved_plan.from_text((RECORDED / "install.plan").read_text(), "x.plan", "0.1.0")
    (again,) = inventory.parse(saved.inventory, "x.plan").nodes
    steady = replace(whole.nodes[0].settings.proof, steady_seconds=1)  # the lab's tests say so by a variable
    assert again == replace(whole.nodes[0], settings=replace(whole.nodes[0].settings, proof=steady))
