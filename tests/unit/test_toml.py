"""Where statements of TOML stand."""

from __future__ import annotations

from nodeprov.toml import line_of


def test_lines_are_found_for_headers_keys_implied_tables_and_inline_ones() -> None:
    text = '# x\n[a.b.c]\nd = """\n[z]\n"""\ne = { f = 1 }\n'
    assert line_of(text, ("a", "b")) == 2
    assert line_of(text, ("a", "b", "c", "d")) == 3
    assert line_of(text, ("a", "b", "c", "e", "f")) == 6
    assert line_of(text, ("z",)) is None
