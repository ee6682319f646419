"""The termination message: read back as it was written, always JSON, never longer than kubelet keeps."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.result import LONGEST_BYTES, NodeResult, ResultError

GOOD = NodeResult(
    run="r1",
    node="worker1",
    action="install",
    exit=0,
    outcome="done",
    release="20260905.0",
    handlers=("runsc",),
    digest="ab" * 32,
    restarted=True,
    hit=("default/web-1: app",),
    seconds=7.5,
)
BAD = replace(GOOD, exit=1, outcome="failed", error=ResultError("worker1", "it broke", "mend it"))


@pytest.mark.parametrize("result", [GOOD, BAD, replace(BAD, exit=4, outcome="between")])
def test_it_is_read_as_it_was_written(result: NodeResult) -> None:
    assert NodeResult.from_json(result.to_json()) == result


def test_its_fields_are_those_that_are_described() -> None:
    assert json.loads(GOOD.to_json()) == {
        "schema": 1,
        "run": "r1",
        "node": "worker1",
        "action": "install",
        "exit": 0,
        "outcome": "done",
        "release": "20260905.0",
        "handlers": ["runsc"],
        "digest": "ab" * 32,
        "restarted": True,
        "hit": ["default/web-1: app"],
        "seconds": 7.5,
        "error": None,
        "to_restart": False,
    }


@given(some.text(max_size=9000), some.lists(some.text(max_size=400), max_size=60))
def test_whatever_others_say_it_fits_and_stays_json(text: str, names: list[str]) -> None:
    error = ResultError(text, text, text)
    result = replace(BAD, hit=tuple(names), handlers=tuple(names), error=error)
    written = result.to_json()
    assert len(written) <= LONGEST_BYTES
    assert NodeResult.from_json(written).outcome == "failed"


def test_a_long_text_keeps_its_beginning_and_a_long_list_says_how_many_are_left_out() -> None:
    error = ResultError("worker1", f"why {'ä' * 9000}", "hint")
    found = NodeResult.from_json(replace(BAD, error=error, hit=tuple(map(str, range(40)))).to_json())
    assert found.error is not None
    assert found.error.what.startswith("why ää")
    assert found.error.what.endswith("…")
    assert (found.hit[0], found.hit[-1]) == ("0", "and 24 more")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Killed",
        b"[]",
        b"\xff\xfe",
        b'{"schema": 1}',
        GOOD.to_json().replace(b'"schema":1', b'"schema":2'),
        GOOD.to_json().replace(b'"exit":0', b'"exit":2'),
        GOOD.to_json().replace(b'"outcome":"done"', b'"outcome":"fine"'),
        GOOD.to_json().replace(b'"hit":["', b'"hit":[7,"'),
        GOOD.to_json().replace(b'"error":null', b'"error":"no"'),
        GOOD.to_json()[:-9],
    ],
)
def test_what_is_no_result_is_refused_with_what_it_is(content: bytes) -> None:
    with pytest.raises(NodeprovError, match="the pod has left no result") as error:
        NodeResult.from_json(content)
    assert error.value.hint


def test_a_field_that_a_later_version_adds_is_left_out() -> None:
    assert NodeResult.from_json(GOOD.to_json().replace(b'"exit":0', b'"exit":0,"later":[1]')) == GOOD
