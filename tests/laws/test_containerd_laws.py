"""What holds of the edit for every text; `pytest --hypothesis-profile=nightly` looks at 10,000 per law."""

from __future__ import annotations

import tomllib
from random import Random
from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nodeprov.containerd import (
    COMMENT,
    RUNTIMES_PATHS,
    Config,
    Refused,
    add_runtime,
    begun,
    remove_runtime,
)
from nodeprov.containerd.config import BYTE_ORDER_MARK
from nodeprov.containerd.takeover import handed_back, taken_between, taken_over
from nodeprov.toml import statements
from tests.adversaries.nasty_toml import HANDS, VERSIONS, Raw, damaged, leaves, texts, tree, written
from tests.support.runtimes import runsc

CURRENT = "/opt/nodeprov/handlers/runsc/current"
RUNSC = runsc("runsc", f"{CURRENT}/containerd-shim-runsc-v1", f"{CURRENT}/runsc.toml")
OTHER = runsc("runsc-kvm", "/x/handlers/runsc-kvm/current/shim", "/x/handlers/runsc-kvm/current/runsc.toml")
DAEMONS = ("1.6.20", "1.7.29", "2.0.0", "2.4.2")

law = settings(max_examples=max(200, settings.default.max_examples if settings.default else 0))


def meaning(text: str) -> dict[str, Any]:
    """What a text says, so that equal is the same."""
    return tomllib.loads(text.removeprefix(BYTE_ORDER_MARK), parse_float=lambda said: ("float", said))


def with_table(text: str, table: dict[str, Any] | None) -> dict[str, Any]:
    """What a text says, with another table of ours or with none, and without tables that are empty then."""
    document = meaning(text)
    path = (*RUNTIMES_PATHS[Config(text).version], "runsc")
    above: list[dict[str, Any]] = [document]
    for part in path[:-1]:
        above.append(above[-1].setdefault(part, {}))
    above[-1].pop(path[-1], None)
    if table is not None:
        above[-1][path[-1]] = table
    for inner, part in zip(reversed(above[:-1]), reversed(path[:-1]), strict=True):
        if not inner[part]:
            del inner[part]
    return document


def _tree_with_runtimes(looks: Random, version: int) -> tuple[Any, dict[str, Any]]:
    """Make a tree, and the table in it that has the runtimes."""
    said: Any = tree(looks, version)
    inner = said
    for part in RUNTIMES_PATHS[version]:
        inner = inner.setdefault(part, {})
    return said, inner


def texts_with_ours() -> st.SearchStrategy[str]:
    """Texts that have our table, for an old generation, in any style and with things of others in it."""
    return st.builds(_with_ours, HANDS, VERSIONS)


def _with_ours(looks: Random, version: int) -> str:
    said, runtimes = _tree_with_runtimes(looks, version)
    ours = {key: Raw(f'"{value}"') for key, value in RUNSC.table().items() if isinstance(value, str)}
    options = {key: Raw(f'"{value}"') for key, value in RUNSC.table()["options"].items()}
    theirs: dict[str, Any] = looks.choice([{}, {"snapshotter": Raw("'zfs'")}, {"cni": {"a": Raw("[1]")}}])
    runtimes["runsc"] = {**ours, **theirs, "options": {**options, **looks.choice([{}, {"X": Raw("nan")}])}}
    return written(looks, said).replace("/current/", "/0ld/")


def texts_with_theirs() -> st.SearchStrategy[str]:
    """Texts that have the handler's table as somebody else wrote it, in any style."""
    return st.builds(_with_theirs, HANDS, VERSIONS)


def _with_theirs(looks: Random, version: int) -> str:
    said, runtimes = _tree_with_runtimes(looks, version)
    options = looks.choice([{}, {"options": {"ConfigPath": Raw("'/etc/runsc.toml'"), "X": Raw("nan")}}])
    theirs = looks.choice([{}, {"snapshotter": Raw("'zfs'")}, {"runtime_path": Raw('"/usr/bin/shim"')}])
    runtimes["runsc"] = {"runtime_type": Raw(f'"{RUNSC.runtime_type}"'), **theirs, **leaves(looks), **options}
    return written(looks, said)


@given(texts())
@law
def test_law_what_is_added_is_the_declared_delta(text: str) -> None:
    assert meaning(add_runtime(text, RUNSC)) == with_table(text, RUNSC.table())


@given(texts())
@law
def test_law_adding_again_changes_nothing(text: str) -> None:
    added = add_runtime(text, RUNSC)
    assert add_runtime(added, RUNSC) == added


@given(texts(), st.sampled_from(DAEMONS))
@law
def test_law_remove_undoes_add_to_the_byte(text: str, daemon: str) -> None:
    assert remove_runtime(add_runtime(begun(Config(text), daemon).text, RUNSC), RUNSC) == text


@given(texts())
@law
def test_law_what_was_there_is_still_there_in_its_order(text: str) -> None:
    added = iter(add_runtime(text, RUNSC))
    assert all(letter in added for letter in text)


@given(texts(), st.sampled_from(["", "# theirs\n", "root = '/r'\n", "\n\n"]), st.data())
@law
def test_law_what_others_wrote_since_survives_the_removal(text: str, before: str, data: st.DataObject) -> None:
    after = data.draw(st.sampled_from(["", "\n# theirs\n", "\n[theirs]\nx = 1\n", "\n\n[theirs.y]", "\n\n\n"]))
    before, after = (each.replace("\n", "\r\n" if "\r\n" in text else "\n") for each in (before, after))
    mark, body = text[: text.startswith(BYTE_ORDER_MARK)], text.removeprefix(BYTE_ORDER_MARK)
    changed = mark + before + add_runtime(body, RUNSC) + after
    assert remove_runtime(changed, RUNSC) == mark + before + body + after


@given(texts())
@law
def test_law_two_handlers_come_and_go_in_any_order(text: str) -> None:
    text = begun(Config(text), "2.4.2").text
    both = add_runtime(add_runtime(text, RUNSC), OTHER)
    assert remove_runtime(both, RUNSC) == add_runtime(text, OTHER)
    assert remove_runtime(both, OTHER) == add_runtime(text, RUNSC)


@given(texts_with_ours())
@law
def test_law_an_old_table_of_ours_is_brought_up_to_date_in_its_place(text: str) -> None:
    assert add_runtime(text, RUNSC) == text.replace("/0ld/", "/current/")


@given(texts_with_ours())
@law
def test_law_our_table_is_taken_out_however_it_is_written(text: str) -> None:
    left = remove_runtime(text, RUNSC)
    assert with_table(left, None) == with_table(text, None)
    assert remove_runtime(left, RUNSC) == left
    rest = iter(text)
    assert all(letter in rest for letter in left)
    assert comments(left) == comments(text)


def comments(text: str) -> list[str]:
    """The lines of comments; those that stand between our first header and our last key go with the table."""
    body = text.removeprefix(BYTE_ORDER_MARK)
    kept: list[str] = []
    inside: list[str] | None = None
    for each in statements(body):
        if each.kind == "header":
            kept += inside if inside and "runsc" not in each.path else []
            inside = [] if "runsc" in each.path else None
        elif each.kind == "key" and inside is not None:
            inside = []
        elif each.kind == "comment" and (said := body[each.start : each.end].strip()) != COMMENT:
            (kept if inside is None else inside).append(said)
    return kept + (inside or [])


@given(damaged())
@law
def test_law_a_damaged_text_is_refused_or_edited_by_the_same_laws(text: str) -> None:
    try:
        added = add_runtime(text, RUNSC)
    except Refused:
        return
    assert meaning(added) == with_table(text, RUNSC.table())
    assert remove_runtime(added, RUNSC) == text


@given(texts())
@law
def test_law_the_statements_of_a_text_are_the_whole_text(text: str) -> None:
    body = text.removeprefix(BYTE_ORDER_MARK)
    assert "".join(body[each.start : each.end] for each in statements(body)) == body


@given(texts_with_theirs(), st.sampled_from(["", "# of another tool\n"]), st.sampled_from(["", "\n# the end\n"]))
@law
def test_law_a_table_that_was_taken_over_comes_back_to_the_byte_whatever_others_put_around_it(
    text: str, above: str, below: str
) -> None:
    def edited(text: str) -> str:
        mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        return f"{mark}{above}{text.removeprefix(mark)}{below if has_end else ''}"

    config, has_end = Config(text), text.endswith("\n")
    try:
        ours = taken_over(config, RUNSC)
    except Refused:
        reject()
    assert meaning(ours.text) != meaning(text)
    taken = taken_between(config, ours, [RUNSC])
    assert taken is not None
    assert handed_back(ours, [RUNSC], taken).text == text
    assert handed_back(Config(edited(ours.text)), [RUNSC], taken).text == edited(text)
