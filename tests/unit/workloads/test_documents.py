"""YAML and JSON of every kind that kubectl takes, and what is too much for any reader."""

from __future__ import annotations

import json

import pytest

from nodeprov.errors import UsageError
from nodeprov.workloads.documents import documents
from nodeprov.workloads.pods import Workload, workloads

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: true\n  containers: [{name: a}]\n"
BOMB = "x0: &x0 {a: 1}\n" + "".join(
    f"x{n}: &x{n} %s\n" % ", ".join([f"*x{n - 1}"] * 10).join("[]") for n in range(1, 10)
)
MERGED = "x0: &x0 {a: 1}\n" + "".join(
    f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)
LIST_OF_ITSELF = "apiVersion: v1\nkind: List\nitems: &a\n- {apiVersion: v1, kind: List, items: *a}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BOMB, 7),
        (f"{MERGED}{POD}", 7),
        (LIST_OF_ITSELF, 3),
        ("&a\napiVersion: v1\nkind: Pod\n<<: *a\n", 1),
        ("a: &a\n  <<: *a\n", 1),
    ],
)
def test_aliases_without_end_are_refused_with_their_line(text: str, line: int) -> None:
    with pytest.raises(UsageError, match=r"it is no YAML: its aliases") as caught:
        [*workloads(text, "a.yaml")]
    assert caught.value.where == f"a.yaml:{line}"
    assert caught.value.hint


def test_aliases_within_reason_are_followed() -> None:
    text = "a: &a {b: 1}\n" + "".join(f"c{number}: *a\n" for number in range(10_000))
    (found,) = documents(text, "a.yaml")
    assert found.said("c9999", "b") == "1"


@pytest.mark.parametrize("between", ["", " ", "\n", "\r\n", "\n\n\t"])
def test_json_objects_one_after_another_are_read_with_their_lines(between: str) -> None:
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "\U0001f600", "annotations": {"a": "\\ud83d \ud83d /", "\\": "\\\\ud83d\\ude00"}},
            "spec": {"containers": [{"name": "a"}]},
        }
    ] * 2
    text = between.join(json.dumps(each, indent=1).replace("/", "\\/") for each in objects)
    first, second = workloads(text, "a.json")
    assert isinstance(first, Workload)
    assert isinstance(second, Workload)
    assert (first.name, first.whole.said("metadata", "annotations", "a")) == ("\U0001f600", "\\ud83d \ufffd /")
    assert first.whole.said("metadata", "annotations", "\\") == "\\\\ud83d\\ude00"
    assert second.line == first.line + text[: text.rindex('{\n "apiVersion')].count("\n") + (between in ("", " "))


def test_files_with_a_mark_of_the_byte_order_may_follow_each_other() -> None:
    found = [*workloads(f"\ufeff{POD}---\n\ufeff{POD}", "a.yaml")]
    assert [each.line for each in found] == [1, 8]


def test_a_character_that_may_not_be_there_is_said_with_its_line() -> None:
    with pytest.raises(UsageError, match="the character #x0001 may not be in it") as caught:
        [*documents("ä: b\nc: d\x01", "a.yaml")]
    assert caught.value.where == "a.yaml:2"


def test_what_is_nested_too_deep_is_refused() -> None:
    for text in ("[" * 200_000, '{"a": ' * 100_000 + "1" + "}" * 100_000, "{a: " * 600 + "*" + "}" * 600):
        with pytest.raises(UsageError) as caught:
            [*documents(text, "a.yaml")]
        assert caught.value.hint


def test_a_chart_that_was_not_rendered_gets_its_own_hint() -> None:
    with pytest.raises(UsageError) as caught:
        [*documents(f"{{{{- if .Values.on }}}}\n{POD}{{{{- end }}}}\n", "a.yaml")]
    assert caught.value.hint.endswith("helm template CHART | nodeprov check -")
