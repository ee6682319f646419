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
    assert second.line == first.line + text[: text.rindex('{\n "apiVersion')].count("\n")


@pytest.mark.parametrize("between", ["", " ", "\n"])
def test_json_objects_that_meet_have_their_lines_however_many_they_are(between: str) -> None:
    text = between.join([json.dumps({"apiVersion": "v1", "kind": "Service", "spec": {"a": ["b"]}}, indent=1)] * 20)
    found = [each.line for each in workloads(text, "a.json")]
    begin = [
        number for number, line in enumerate(text.split("\n"), start=1) if line.endswith("{") and line[0] in "{}"
    ]
    assert found == begin


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_editors_do(end: str) -> None:
    """libyaml, and kubectl's reader too, know more ends of lines than editors and grep."""
    note = f'metadata: {{name: a, annotations: {{note: "copied{end}from{end}a page"}}}}\n# caf{end}\r\n'
    text = POD.replace("metadata: {name: a}\n", note)
    (found,) = workloads(text, "a.yaml")
    assert isinstance(found, Workload)
    host = found.spec.get("hostPID")
    assert host is not None
    assert text.split("\n")[host.line - 1] == "  hostPID: true"
    with pytest.raises(UsageError) as caught:
        [*documents(f"{text}  a: b: c\n", "a.yaml")]
    assert caught.value.where == f"a.yaml:{text.count(chr(10)) + 1}"
    as_json = json.dumps({"kind": f"a{end}--- b", "spec": [1]}, indent=1, ensure_ascii=False)
    (read,) = documents(as_json, "a.json")
    assert read.said("kind") == f"a{end}--- b"
    (one,) = read.members("spec")
    assert as_json.split("\n")[one.line - 1].strip() == "1"


def test_the_name_of_an_anchor_may_come_again_and_the_later_one_counts() -> None:
    text = "a: &x {b: 1}\nc: *x\nd: &x {b: 2}\ne: *x\n"
    first, second, third = documents(f"g: &x 1\nh: *x\n---\n{text}---\ni: j\n", "a.yaml")
    assert first.said("h") == "1"
    assert [second.said(name, "b") for name in "acde"] == ["1", "1", "2", "2"]
    assert (third.said("i"), third.line) == ("j", 9)
    with pytest.raises(UsageError, match="its aliases"):
        [*documents("a: &x {b: 1}\nc: &x {b: *x}\n", "a.yaml")]
    with pytest.raises(UsageError, match="found undefined alias") as caught:
        [*documents(f"{text}f: *z\n", "a.yaml")]
    assert caught.value.where == "a.yaml:5"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *((each, True) for each in ("y", "Y", "yes", "on", "True", '!!bool "true"', "!!bool y")),
        *((each, False) for each in ("n", "N", "No", "OFF", "false")),
        *((each, None) for each in ('"y"', "'n'", "yEs", "oN", "!!str true", "~", "ny", "-n")),
    ],
)
def test_the_booleans_are_those_of_kubectl(written: str, read: bool | None) -> None:
    """Each was typed: kubectl label --local -f - -o json a=b (1.36.3)."""
    (found,) = documents(f"a: {written}\n", "a.yaml")
    (_, value), *_ = found.items()
    assert (value.is_true, value.is_false) == (read is True, read is False)


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
