"""What is written on a node stays small, and is read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodeprov.dispatch.marks import LONGEST_BYTES, Last
from tests.support.dispatching import last


def test_it_is_read_back() -> None:
    written = last(release="20260905.0", why="the disk is full")
    assert Last.parse(written.text()) == written


@given(st.text(max_size=3000))
def test_a_reason_of_any_length_is_cut_to_what_there_is_room_for(why: str) -> None:
    text = last(why=why, release="20260905.0").text()
    assert len(text.encode()) <= LONGEST_BYTES
    found = Last.parse(text)
    assert found is not None
    assert why.startswith(found.why.removesuffix("...")) or found.why == why


@given(st.one_of(st.text(), st.sampled_from(["[]", "null", "1", '{"run": 1}', '{"run": ""}', "{}", "[" * 9999])))
def test_what_others_have_written_there_is_not_ours(text: str) -> None:
    assert Last.parse(text) is None
