"""States as receipts and saved plans keep them, and as a plan shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given

from nodeprov.errors import MALFORMED_JSON
from nodeprov.plan.state_text import change_text, lines_of, state_from_json, state_to_json, summary_json
from nodeprov.states import (
    FileState,
    LabelState,
    LinkState,
    ObjectState,
    PresentState,
    State,
    TreeEntry,
    TreeState,
)
from tests.support.receipts import A, states

WRITTEN: list[tuple[State, dict[str, Any]]] = [
    (FileState(b"a\xff", 0o640, 1, 2), {"kind": "file", "base64": "Yf8=", "mode": 0o640, "uid": 1, "gid": 2}),
    (LinkState("/a b"), {"kind": "link", "target": "/a b"}),
    (
        TreeState((TreeEntry("a", 0o755, "ab" * 32),), ("dev/null",)),
        {"kind": "tree", "entries": [["a", 0o755, "ab" * 32]], "foreign": ["dev/null"]},
    ),
    (LabelState("true"), {"kind": "label", "value": "true"}),
    (ObjectState.of({"b": 1, "a": {"c": 2}}), {"kind": "object", "manifest": {"a": {"c": 2}, "b": 1}}),
    (PresentState(), {"kind": "present"}),
]


def test_every_kind_of_state_is_known() -> None:
    assert set(get_args(State)) == {type(state) for state, _ in WRITTEN}
    assert (state_to_json(None), state_from_json(None)) == (None, None)


@pytest.mark.parametrize(("state", "value"), WRITTEN, ids=lambda each: type(each).__name__)
def test_a_state_is_written_as_it_always_was_and_read_back(state: State, value: dict[str, Any]) -> None:
    through_json = json.loads(json.dumps(state_to_json(state)))
    assert through_json == value
    assert state_from_json(through_json) == state
    assert (summary_json(state) or {})["kind"] == value["kind"]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"kind": "other"},
        {"kind": "file", "base64": "?", "mode": 1, "uid": 0, "gid": 0},
        {"kind": "file", "base64": "", "mode": True, "uid": 0, "gid": 0},
        {"kind": "file", "base64": "", "mode": "0644", "uid": 0, "gid": 0},
        {"kind": "link", "target": None},
        {"kind": "tree", "entries": [["a", 1]], "foreign": []},
        {"kind": "tree", "entries": {}},
        {"kind": "label", "value": 1},
        {"kind": "object", "manifest": []},
        [],
    ],
)
def test_what_is_no_state_is_refused_by_an_error_that_is_expected(value: Any) -> None:
    with pytest.raises(MALFORMED_JSON):
        state_from_json(value)


@given(states)
def test_every_state_is_read_back_as_it_was_written(state: State | None) -> None:
    assert state_from_json(json.loads(json.dumps(state_to_json(state)))) == state


def test_base64_with_letters_that_are_none_of_its_own_is_damage() -> None:
    with pytest.raises(ValueError, match="base64"):
        state_from_json({"kind": "file", "base64": "!!!!", "mode": 0, "uid": 0, "gid": 0})


def test_what_a_state_is_written_as_names_its_kind() -> None:
    kinds: Mapping[str, State] = {
        "file": A,
        "link": LinkState("x"),
        "tree": TreeState(()),
        "label": LabelState("x"),
        "object": ObjectState.of({}),
        "present": PresentState(),
    }
    for kind, state in kinds.items():
        value = state_to_json(state)
        assert value is not None
        assert value["kind"] == kind
    assert state_to_json(None) is None


def test_a_labels_value_is_shown_with_the_one_before() -> None:
    assert change_text(None, LabelState("b")) == " = b"
    assert change_text(LabelState("a"), LabelState("b")) == " = b (was a)"


def test_an_object_is_compared_line_by_line_with_its_fields_in_one_order() -> None:
    state = ObjectState.of({"b": {"d": {}, "c": [1]}, "a": "x"})
    assert lines_of(state) == "a: x\nb:\n  c: [1]\n  d: {}"


def test_the_maps_in_a_list_have_lines_of_their_own_so_that_a_diff_shows_what_differs() -> None:
    state = ObjectState.of({"a": [{"b": 1, "c": [{"d": "e"}]}, {"f": 2}, 3, {}]})
    assert lines_of(state) == "a:\n- b: 1\n  c:\n  - d: e\n- f: 2\n- 3\n- {}"
