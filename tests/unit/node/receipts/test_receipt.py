"""A receipt as it is written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from nodeprov.errors import NodeprovError
from nodeprov.node.receipts.receipt import (
    BEGUN,
    DONE,
    SCHEMA,
    UNDONE,
    Author,
    Receipt,
    Written,
    from_json,
    to_json,
)
from nodeprov.states import FileState, LinkState, PresentState
from tests.support.receipts import CONFIG, LINK, A, B, receipts, written
from tests.support.samples import receipt_of


@given(receipts)
def test_every_receipt_is_read_back_as_it_was_written(receipt: Receipt) -> None:
    assert from_json(json.loads(json.dumps(to_json(receipt)))) == receipt


def test_the_form_of_a_receipt_stays_what_older_versions_have_written() -> None:
    receipt = Receipt(
        number=7,
        action="install",
        handler="runsc",
        machine_id="m",
        author=Author("ann", "desk", "0.1.0"),
        began="2026-09-05T10:00:00+00:00",
        release="20260905.0-0123456789ab",
        changes=(Written(CONFIG, FileState(b"\xff", 0o640, 1, 2), None), Written(LINK, None, LinkState("/x"))),
        state=DONE,
        ended="2026-09-05T10:01:00+00:00",
        sha512={"gvisor.tar.zstd": "ab"},
        adopted=(LINK,),
    )
    value = {
        "schema": 2,
        "number": 7,
        "action": "install",
        "handler": "runsc",
        "machine_id": "m",
        "author": {"user": "ann", "controller": "desk", "version": "0.1.0"},
        "began": "2026-09-05T10:00:00+00:00",
        "release": "20260905.0-0123456789ab",
        "changes": [
            {
                "key": CONFIG,
                "before": {"kind": "file", "base64": "/w==", "mode": 416, "uid": 1, "gid": 2},
                "after": None,
            },
            {"key": LINK, "before": None, "after": {"kind": "link", "target": "/x"}},
        ],
        "state": "done",
        "ended": "2026-09-05T10:01:00+00:00",
        "sha512": {"gvisor.tar.zstd": "ab"},
        "adopted": [LINK],
    }
    assert json.loads(json.dumps(to_json(receipt))) == {**value, "cordons": False}, "an older version does without"
    assert from_json(value) == receipt
    first = {**{key: each for key, each in value.items() if key != "adopted"}, "schema": 1}
    assert from_json(first) == replace(receipt, adopted=()), "schema 1 had no `adopted`"
    assert receipt.name == "000007-install.json"


def test_a_receipt_says_how_it_ended() -> None:
    begun = receipt_of(1, "install", state=BEGUN)
    ended = begun.closed(UNDONE, "2026-09-05T10:01:00+00:00")
    assert (ended.state, ended.ended, ended.number) == (UNDONE, "2026-09-05T10:01:00+00:00", 1)
    assert begun.state == BEGUN


def test_a_receipt_of_a_newer_version_is_not_guessed_at() -> None:
    value = {**to_json(receipt_of(1, "install")), "schema": SCHEMA + 1}
    with pytest.raises(NodeprovError, match="a newer nodeprov has worked on this node"):
        from_json(value)
    with pytest.raises(NodeprovError, match="a newer nodeprov"):
        from_json({"schema": SCHEMA + 1, "something": "else"})


GOOD = to_json(receipt_of(1, "install", written(A, B)))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {**GOOD, "schema": "one"},
        {**GOOD, "author": {"user": "ann"}},
        {**GOOD, "author": None},
        {**GOOD, "changes": None},
        {**GOOD, "changes": [{"key": CONFIG, "before": None}]},
        {**GOOD, "changes": [{"key": CONFIG, "before": {"kind": "socket"}, "after": None}]},
        {**GOOD, "changes": [{"key": CONFIG, "before": {"kind": "file"}, "after": None}]},
        {**GOOD, "changes": [{"key": CONFIG, "before": "a", "after": None}]},
        {
            **GOOD,
            "changes": [
                {
                    "key": CONFIG,
                    "before": {"kind": "file", "base64": "a", "mode": 0, "uid": 0, "gid": 0},
                    "after": None,
                }
            ],
        },
        {
            **GOOD,
            "changes": [
                {"key": "tree:/x", "before": {"kind": "tree", "entries": [["x"]], "foreign": []}, "after": None}
            ],
        },
        {key: value for key, value in GOOD.items() if key != "number"},
        {key: value for key, value in GOOD.items() if key != "schema"},
        [],
        None,
    ],
)
def test_a_damaged_receipt_is_named_as_such(value: Any) -> None:
    with pytest.raises(NodeprovError, match="a receipt on the node is damaged"):
        from_json(value)


def test_what_a_newer_version_of_the_same_schema_adds_does_no_harm() -> None:
    assert from_json({**GOOD, "more": 1}) == from_json(GOOD)


def test_what_a_run_could_not_remove_is_not_written_down_as_removed() -> None:
    begun = receipt_of(1, "install", written(A, B), Written("folder:/x", PresentState(), None), state=BEGUN)
    assert [change.key for change in begun.closed(DONE, "", kept={"folder:/x"}).changes] == [written(A, B).key]
