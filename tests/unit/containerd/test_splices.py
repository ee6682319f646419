"""Where a value stands in a text."""

from __future__ import annotations

import pytest

from nodeprov.containerd.splices import inline_above, value_of
from nodeprov.toml import KeyPath, statements

TEXT = "a = 1 # one\n[t]\nb = { c = 2, d = { e = '}', f.g = [1, 2] } } # a table\nh = ['x', # why\n 'y']\n"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("a",), "1"),
        (("t", "b"), "{ c = 2, d = { e = '}', f.g = [1, 2] } }"),
        (("t", "h"), "['x', # why\n 'y']"),
    ],
)
def test_the_value_of_a_key_ends_before_the_comment_behind_it(path: KeyPath, value: str) -> None:
    (statement,) = (each for each in statements(TEXT) if each.kind == "key" and each.path == path)
    found = value_of(TEXT, statement)
    assert (found.path, TEXT[found.value : found.end]) == (path, value)


@pytest.mark.parametrize(
    ("path", "inline", "members"),
    [
        (("t", "b", "c"), ("t", "b"), ["c = 2", "d = { e = '}', f.g = [1, 2] }"]),
        (("t", "b", "d", "e"), ("t", "b", "d"), ["e = '}'", "f.g = [1, 2]"]),
        (("t", "b", "d", "f", "g"), ("t", "b", "d"), ["e = '}'", "f.g = [1, 2]"]),
        (("t", "b", "new"), ("t", "b"), ["c = 2", "d = { e = '}', f.g = [1, 2] }"]),
    ],
)
def test_the_innermost_inline_table_above_a_path_is_found(
    path: KeyPath, inline: KeyPath, members: list[str]
) -> None:
    found = inline_above(TEXT, path)
    assert found is not None
    assert found.path == inline
    assert [TEXT[each.start : each.end] for each in found.members] == members


@pytest.mark.parametrize("path", [("a",), ("t",), ("t", "b"), ("t", "new"), ("t", "h", "x")])
def test_what_stands_in_no_inline_table_has_none_above(path: KeyPath) -> None:
    assert inline_above(TEXT, path) is None
