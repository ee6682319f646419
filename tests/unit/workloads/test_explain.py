"""Each rule knows the error in the words in which the lab said it, and nothing that is said when all is well."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from nodeprov.workloads.explain import explanations, hint, rules

GOLDEN = Path(__file__).parents[2] / "golden"
SEEN = tomllib.loads((GOLDEN / "workloads" / "errors.toml").read_text())
WELL = """\
Normal  Scheduled  12s  default-scheduler  Successfully assigned default/web to worker1
Normal  Pulled     11s  kubelet            Container image "web:1" already present on machine
Normal  Created    11s  kubelet            Created container: web
Normal  Started    11s  kubelet            Started container web
[    0.000000] Starting gVisor...
"""


def test_there_are_thirty_rules_and_each_has_its_words() -> None:
    assert len(rules()) >= 30
    assert [each.id for each in rules()] == [*SEEN]


@pytest.mark.parametrize("name", SEEN)
def test_the_words_of_the_lab_are_known_by_their_rule_alone(name: str) -> None:
    for words in SEEN[name]:
        line = f"Warning  Failed  3s (x4 over 40s)  kubelet  Error: {words}"
        (found,) = explanations(f"{WELL}{line}\n{WELL}")
        assert (found.id, found.line) == (name, 6)
        assert "{1}" not in found.cause + found.evidence + found.remedy


@pytest.mark.parametrize("name", SEEN)
def test_they_are_known_too_as_the_journals_quote_them(name: str) -> None:
    for words in SEEN[name]:
        quoted = json.dumps(f"rpc error: code = Unknown desc = {words}")
        for again in (quoted, json.dumps({"log": quoted})):
            found = explanations(f'Nov 28 23:00:00 n1 containerd[1]: time="2026-11-28T23:00:00Z" msg={again}\r\n')
            assert [each.id for each in found] == [name], again


def test_lines_are_counted_as_editors_do() -> None:
    (found,) = explanations(f"a\x0cb\u2028c\x85d\n{SEEN['no-cri'][0]}\n")
    assert found.line == 2


def test_each_pattern_is_needed() -> None:
    for rule in rules():
        said = SEEN[rule.id]
        for pattern in rule.patterns:
            assert any(pattern.search(words) for words in said), pattern.pattern


def test_nothing_is_known_of_what_is_well() -> None:
    assert explanations(WELL) == []


def test_what_is_said_again_is_explained_once_and_names_are_filled_in() -> None:
    text = "\n".join([*SEEN["flag-unknown"] * 2, SEEN["flag-unknown"][0].replace("nosuch", "other")])
    first, second = explanations(text)
    assert "no flag nosuch;" in first.cause
    assert "leave out other in" in second.remedy
    assert (first.line, second.line) == (1, 3)


def test_each_rule_says_why_what_to_look_at_and_what_to_do() -> None:
    for each in rules():
        assert each.patterns
        assert all((each.cause, each.evidence, each.remedy))
        assert not any(text.endswith(".") for text in (each.cause, each.remedy))


def test_a_proof_that_fails_is_explained_where_it_is_known() -> None:
    known = hint(SEEN["no-kvm"][0], "journalctl", node="worker1")
    assert known.startswith("the platform is kvm, and the node has no /dev/kvm")
    assert known.endswith("then nodeprov install worker1")
    assert hint("something else", "journalctl", node="worker1") == "journalctl"
