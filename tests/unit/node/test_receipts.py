"""A receipt as it is written and read, and what several of them show together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from nodeprov.errors import NodeprovError
from nodeprov.node.receipts import (
    BEGUN,
    DONE,
    SCHEMA,
    UNDONE,
    Author,
    History,
    Receipt,
    Written,
    from_json,
    to_json,
)
from nodeprov.plan.goal import Change
from nodeprov.states import FileState, LinkState, PresentState, State
from tests.support.receipts import CONFIG, LINK, A, B, C, D, change, receipts, written
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


def history(receipts: Sequence[Receipt], handler: str = "runsc") -> History:
    return History(handler, "", tuple(receipts))


def test_receipts_are_read_in_the_order_of_their_numbers() -> None:
    values = [to_json(receipt_of(number, "install")) for number in (3, 1, 2)]
    found = History.read(values, machine_id="", handler="runsc", node="worker1")
    assert [receipt.number for receipt in found.receipts] == [1, 2, 3]
    assert found.next_number == 4
    assert History.read([], machine_id="", handler="runsc", node="worker1") == History("runsc", "", ())
    assert History("runsc", "", ()).next_number == 1


@pytest.mark.parametrize(
    ("runs", "numbers"),
    [
        ([], []),
        (["install done"], [1]),
        (["install done", "install done"], [1, 2]),
        (["install undone", "install done"], [2]),
        (["install done", "uninstall done"], []),
        (["install done", "uninstall done", "install done"], [3]),
        (["install done", "uninstall undone"], [1]),
        (["install done", "uninstall begun"], [1, 2]),
        (["install begun"], [1]),
        (["uninstall done", "install done", "uninstall done", "install done", "install begun"], [4, 5]),
    ],
)
def test_an_uninstall_takes_back_what_came_since_the_last_one(runs: list[str], numbers: list[int]) -> None:
    words = [run.split() for run in runs]
    receipts = [receipt_of(number, action, state=end) for number, (action, end) in enumerate(words, start=1)]
    assert [receipt.number for receipt in history(receipts).installed] == numbers


def test_an_uninstall_takes_back_its_own_handlers_runs_only() -> None:
    receipts = [
        receipt_of(1, "install"),
        receipt_of(2, "install", handler="runsc-kvm"),
        receipt_of(3, "uninstall", handler="runsc-kvm"),
    ]
    assert [receipt.number for receipt in history(receipts).installed] == [1]
    assert history(receipts, "runsc-kvm").installed == ()


@pytest.mark.parametrize(
    ("ends", "number"),
    [
        ([], None),
        ([DONE], None),
        ([BEGUN], 1),
        ([DONE, BEGUN], 2),
        ([DONE, UNDONE], None),
        ([BEGUN, UNDONE], 1),
    ],
)
def test_a_run_that_ended_without_a_word_is_found(ends: list[str], number: int | None) -> None:
    receipts = [receipt_of(i, "install", state=end) for i, end in enumerate(ends, start=1)]
    found = history(receipts).interrupted
    assert (found.number if found else None) == number


def test_an_interrupted_run_of_another_handler_is_not_ours_to_finish() -> None:
    theirs = receipt_of(2, "install", state=BEGUN, handler="runsc-kvm")
    assert history([receipt_of(1, "install"), theirs]).interrupted is None
    assert history([receipt_of(1, "install", state=BEGUN), receipt_of(2, "install", handler="x")]).interrupted


def test_the_runs_that_changed_something_are_known_the_latest_first() -> None:
    runs = [
        receipt_of(1, "install", written(None, A)),
        receipt_of(2, "install", written(A, B)),
        receipt_of(3, "install", written(B, C), state=UNDONE),
        receipt_of(4, "install", written(None, LinkState("/x"), LINK)),
    ]
    assert [(r.number, c.before) for r, c in history(runs).changes_of(CONFIG)] == [(2, A), (1, None)]
    assert history(runs).changes_of("file:/other") == ()


def test_before_us_is_what_was_before_the_first_run_and_written_what_the_last_one_wrote() -> None:
    runs = [
        receipt_of(1, "install", written(A, B), written(None, LinkState("/x"), LINK)),
        receipt_of(2, "install", written(B, C)),
        receipt_of(
            3, "install", written(C, D), written(PresentState(), None, "folder:/opt/nodeprov/releases/old")
        ),
    ]
    assert history(runs).before_us == {CONFIG: A, LINK: None, "folder:/opt/nodeprov/releases/old": PresentState()}
    assert history(runs).written == {
        CONFIG: D,
        LINK: LinkState("/x"),
        "folder:/opt/nodeprov/releases/old": None,
    }
    assert history([]).before_us == history([]).written == {}


def test_what_was_absent_before_the_first_run_stays_absent_in_memory() -> None:
    runs = [receipt_of(1, "install", written(None, B)), receipt_of(2, "install", written(B, C))]
    assert history(runs).before_us == {CONFIG: None}


def test_an_intent_says_what_is_about_to_be_written() -> None:
    assert history([]).intent([change(A, B), change(None, LinkState("/x"), LINK)]) == (
        written(A, B),
        written(None, LinkState("/x"), LINK),
    )


@pytest.mark.parametrize(
    ("begun", "now", "before"),
    [
        (written(A, B), change(B, C), A),
        (written(None, B), change(B, C), None),
        (written(A, B), change(A, C), A),
        (written(A, B), change(D, C), D),
        (written(A, B, LINK), change(B, C), B),
    ],
    ids=["it-had-written", "it-had-made", "it-had-not-written", "somebody-else-has", "another-resource"],
)
def test_an_intent_goes_back_to_before_what_an_interrupted_run_had_written(
    begun: Written, now: Change, before: State | None
) -> None:
    broken = receipt_of(1, "install", begun, state=BEGUN)
    assert history([broken]).intent([now]) == (Written(now.resource.key, before, now.after),)


def test_what_lay_in_a_folder_that_was_removed_is_gone() -> None:
    folder = "/opt/nodeprov/handlers/runsc/G1"
    made = receipt_of(1, "install", Written(f"file:{folder}/runsc.toml", None, A), Written("file:/G1", None, A))
    removed = receipt_of(2, "install", Written(f"folder:{folder}", PresentState(), None))
    states = history([made, removed]).written
    assert states[f"file:{folder}/runsc.toml"] is None
    assert states["file:/G1"] == A


@pytest.mark.parametrize(
    ("runs", "now", "left"),
    [
        pytest.param([(A, B)], B, True, id="as the last run left it"),
        pytest.param([(A, B), (B, A)], B, True, id="as the run before an interrupted one left it"),
        pytest.param([(A, B), (B, A)], A, True, id="as at first"),
        pytest.param([(A, B)], C, False, id="as somebody else has made it"),
        pytest.param([(A, B), (C, D)], D, False, id="somebody else has changed it in between"),
        pytest.param([], A, False, id="no run has touched it"),
    ],
)
def test_whether_runs_alone_have_changed_a_resource(
    runs: list[tuple[State, State]], now: State, *, left: bool
) -> None:
    found = history([receipt_of(number, "install", written(*each)) for number, each in enumerate(runs, start=1)])
    assert found.own.have_left(CONFIG, now) is left
