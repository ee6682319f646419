"""Every way to get an inventory wrong that we thought of, and what is said to each: reviewed as a whole."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import parse
from nodeprov.inventory.faults import document
from tests.support.inventories import BAD, SHA512, Bad
from tests.support.samples import golden


def said_to(bad: Bad) -> str:
    with pytest.raises(UsageError) as refused:
        parse(bad.text, "inventory.toml", environment=bad.environment, options=bad.options)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_each_bad_inventory_is_refused_with_the_words_that_were_reviewed() -> None:
    written = ["What is said to bad inventories. Made by tests/unit/inventory/test_faults.py; read it as code.\n"]
    for name, bad in BAD.items():
        shown = [f"{number:3} | {line}" for number, line in enumerate(bad.text.splitlines(), start=1)]
        shown += [f"    | {variable}={value}" for variable, value in bad.environment.items()]
        shown += [f"    | --set {option}" for option in bad.options]
        written.append("\n".join([f"== {name}", *shown, said_to(bad)]).replace(SHA512, "abab…") + "\n")
    golden("inventory/faults.txt", "\n".join(written))


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_fault_names_its_place(bad: Bad) -> None:
    for line in said_to(bad).splitlines():
        is_place = line.startswith(("inventory.toml", "--set ", "environment NODEPROV_"))
        assert is_place or line.startswith(("hint: ", "[nodes.worker1]", 'address = "')), line


PIECES = [
    "a.b.c = { d = 1 }",
    "[a.b]",
    "b = {}",
    "b = 2",
    "[a]",
    "[nodes.w]",
    "[[a]]",
    "a = 1",
    "a.b = 1",
    'a = "',
    "a = [",
    "]",
    "a = {",
    "}",
    "'''",
    '"""',
    "[",
    "a",
    "=",
    "\\",
    "#",
]


@example(pieces=["[a.b]", "[a.b]"], between="\r\n")
@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=8),
    st.sampled_from(["\n", "", "\r\n"]),
)
def test_law_whatever_a_text_is_it_is_refused_in_words(pieces: list[str], between: str) -> None:
    said_to(Bad(between.join(pieces)))


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"^inventory.toml:2: not valid TOML"):
        parse("[release]\nversion = latest\n", "inventory.toml")


def test_a_mark_that_no_editor_shows_is_named() -> None:
    with pytest.raises(UsageError, match=r"i.toml:1: .*\(BOM\)") as caught:
        document('\ufeff[release]\nversion = "20260905.0"\n', "i.toml")
    assert caught.value.hint == "save it as UTF-8 without BOM"
