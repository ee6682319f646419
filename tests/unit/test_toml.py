"""Where statements of TOML stand, and how keys and values are written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodeprov.toml import key_text, line_of, value_text

VALUES = st.recursive(
    st.text() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_a_value_is_read_back_as_it_was_written(value: Any) -> None:
    assert tomllib.loads(f"x = {value_text(value)}") == {"x": value}


def test_a_path_is_written_as_a_string() -> None:
    assert value_text({"folders": [Path("/srv/my keys")]}) == '{ folders = ["/srv/my keys"] }'


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_key_is_read_back_as_it_was_written(path: list[str]) -> None:
    expected: Any = 0
    for part in reversed(path):
        expected = {part: expected}
    assert tomllib.loads(f"{key_text(tuple(path))} = 0") == expected


def test_lines_are_found_for_headers_keys_implied_tables_and_inline_ones() -> None:
    text = '# x\n[a.b.c]\nd = """\n[z]\n"""\ne = { f = 1 }\n'
    assert line_of(text, ("a", "b")) == 2
    assert line_of(text, ("a", "b", "c", "d")) == 3
    assert line_of(text, ("a", "b", "c", "e", "f")) == 6
    assert line_of(text, ("z",)) is None
