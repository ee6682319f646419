from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.diagnosis.status import status
from nodeprov.diagnosis.status_text import as_json, text
from nodeprov.engine.lock import Holder, HolderOf, Lock
from nodeprov.hosts.local import LocalHost
from nodeprov.node.receipts import BEGUN, UNDONE, to_json
from nodeprov.node.switch import Switched
from nodeprov.releases.obtain import Release
from nodeprov.templates import render
from tests.support.runtimes import generation_of, layout_of
from tests.support.samples import changed, good_facts, installed, receipt_of, release, settings, with_receipts

NOW = "2036-11-28T04:47:40+00:00"
HOLDER = Holder("ann@desk since 2026-09-05T10:00:00+00:00", 3)
WENT_BACK = Switched("000001-install.json", "restored", "containerd.service does not restart")


@pytest.fixture
def new(tmp_path: Path) -> Release:
    return release(tmp_path, "20260905.0", b"\x7fELF new")


def test_a_node_without_anything_is_settled() -> None:
    found = status(good_facts(), None, layout_of(settings()))
    assert found.is_settled
    assert text(found, NOW) == "worker1: runsc: nothing is installed; containerd serves"


def test_what_is_installed_is_said_with_its_generation_and_the_last_run(new: Release) -> None:
    facts = with_receipts(installed(settings(), new), receipt_of(1, "install"))
    digest = generation_of(settings(), new, facts).digest
    found = status(facts, None, layout_of(settings()))
    assert found.is_settled
    first, last = text(found, NOW).splitlines()
    assert first == f"worker1: runsc: {new.name}, generation {digest} is installed; containerd serves"
    assert last.startswith("  last run: install 1 by ")
    assert " by ann@desk, done at " in last
    assert last.endswith(" ago")


@pytest.mark.parametrize(
    ("switched", "holder", "said"),
    [
        (None, None, "no run is at work on it: nodeprov install worker1 finishes it"),
        (None, HOLDER, "held by ann@desk since 2026-09-05 10:00 UTC, last heard of 3 s ago"),
        (Switched("000001-install.json"), None, "the node is at work on it, or the next run settles it"),
        (
            WENT_BACK,
            None,
            "the node rolled back on its own (run 000001-install.json; restored): ",
        ),
    ],
)
def test_what_an_interrupted_run_left_is_said(switched: Switched | None, holder: Holder | None, said: str) -> None:
    facts = with_receipts(good_facts(), replace(receipt_of(1, "install"), state=BEGUN))
    found = status(changed(facts, switched=switched), holder, layout_of(settings()))
    assert not found.is_settled
    assert "begun at" in text(found, NOW)
    assert "has not ended" in text(found, NOW)
    assert said in text(found, NOW)


def test_a_run_that_the_node_took_back_and_that_is_over_leaves_nothing_to_finish() -> None:
    facts = with_receipts(good_facts(), replace(receipt_of(1, "install"), state=UNDONE))
    found = status(changed(facts, switched=WENT_BACK), None, layout_of(settings()))
    assert found.is_settled
    assert "containerd.service does not restart" in text(found, NOW)


def test_json_has_all_of_it(new: Release) -> None:
    facts = with_receipts(installed(settings(), new), replace(receipt_of(1, "install"), state=BEGUN))
    value = as_json(status(changed(facts, switched=WENT_BACK), HOLDER, layout_of(settings())))
    assert json.loads(json.dumps(value)) == value
    assert (value["release"], value["settled"], value["containerd"]) == (new.name, False, "serves")
    assert value["last"]["state"] == "begun"
    assert value["switch"] == {"run": WENT_BACK.run, "outcome": "restored", "why": WENT_BACK.why, "hit": []}
    assert value["holder"] == {"by": HOLDER.by, "silent_seconds": 3}


def test_a_receipt_that_is_not_of_this_handler_is_not_its_last() -> None:
    other = {**to_json(receipt_of(1, "install")), "handler": "other"}
    assert status(replace(good_facts(), receipts=(other,)), None, layout_of(settings())).last is None


DAMAGED = {"file": "/var/lib/nodeprov/receipts/000002-install.json"}


@pytest.mark.trouble(
    "a receipt on a node is damaged",
    "status names it and its node, shows all else, and ends with 1; install and uninstall are refused",
)
def test_a_receipt_that_cannot_be_read_is_named_and_does_not_hide_the_rest(new: Release) -> None:
    facts = with_receipts(installed(settings(), new), receipt_of(1, "install"))
    found = status(replace(facts, receipts=(*facts.receipts, DAMAGED)), None, layout_of(settings()))
    assert not found.is_settled
    assert found.last is not None
    assert found.last.number == 1
    assert f"{new.name}, generation " in text(found, NOW)
    assert f"  not read: {DAMAGED['file']} is damaged" in text(found, NOW)
    assert [fault.where for fault in found.faults] == ["worker1"]
    assert [each.startswith(DAMAGED["file"]) for each in as_json(found)["unread"]] == [True]


def test_what_a_failed_rerun_has_not_finished_is_still_open() -> None:
    begun, undone = receipt_of(1, "uninstall", state=BEGUN), receipt_of(2, "uninstall", state=UNDONE)
    found = status(with_receipts(good_facts(), begun, undone), None, layout_of(settings()))
    assert not found.is_settled
    assert "nodeprov uninstall worker1 finishes it" in text(found, NOW)


def test_who_holds_a_node_is_seen_and_not_disturbed(tmp_path: Path) -> None:
    host, state = LocalHost(), str(tmp_path / "state")
    assert host.ask([HolderOf(state)]) == [None]
    with Lock(LocalHost(), state, HOLDER.by):
        found = host.ask([HolderOf(state)])[0]
        assert found.by == HOLDER.by
        assert found.silent_seconds in range(5)
    assert host.ask([HolderOf(state)]) == [None]


def test_what_a_dead_run_was_writing_is_swept_and_all_else_stays(tmp_path: Path) -> None:
    prefix, etc = tmp_path / "opt" / "nodeprov", tmp_path / "etc"
    for name in (
        "releases/.r1.nodeprov-0123abcd/runsc",
        "releases/.r1.nodeprov-0123abcd.replaced/runsc",
        "handlers/runsc/.d1.nodeprov-0123abcd/runsc.toml",
    ):
        (prefix / name).parent.mkdir(parents=True)
        (prefix / name).write_text("x")
    (prefix / "handlers/runsc/d2").mkdir()
    etc.mkdir()
    stays = [".config.toml.nodeprov-others-000001-install", ".theirs", "config.toml", "config.toml.nodeprov-old"]
    ours = [f".config.toml.nodeprov-{end}" for end in ("old", "new", "candidate", "candidate-around", "0123abcd")]
    for name in (*stays, *ours):
        (etc / name).write_text("x")
    values = {"ctr": "true", "socket": "/s", "cleanup_seconds": 1, "state": tmp_path}
    output = LocalHost().sh(
        render("node/sweep.sh.j2", folders=[str(etc)], prefixes=[str(prefix)], brought=False, **values)
    )
    assert output.returncode == 0
    assert not prefix.exists()
    assert sorted(path.name for path in etc.iterdir()) == stays


def test_what_cannot_be_swept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".x.nodeprov-old").write_text("x")
    (tmp_path / "rm").write_text("#!/bin/sh\necho 'Read-only file system' >&2; exit 1\n")
    (tmp_path / "rm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    values = {"ctr": "true", "socket": "/s", "cleanup_seconds": 1, "state": tmp_path}
    output = LocalHost().sh(
        render("node/sweep.sh.j2", folders=[str(tmp_path)], prefixes=[], brought=False, **values)
    )
    assert (output.returncode, "Read-only" in output.said) == (1, True)
