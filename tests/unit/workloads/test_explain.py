"""Each rule knows the error in the words in which the lab said it, and nothing that is said when all is well."""

from __future__ import annotations

import json
import time
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


def in_a_line(name: str, words: str) -> str:
    """Put words into what kubelet says of the shim's errors, where they alone may be any program's."""
    within = next(each.within for each in rules() if each.id == name)
    return f"failed to create shim task: OCI runtime create failed: {words}" if within else words


def test_there_are_thirty_rules_and_each_has_its_words() -> None:
    assert len(rules()) >= 30
    assert [each.id for each in rules()] == [*SEEN]


@pytest.mark.parametrize("name", SEEN)
def test_the_words_of_the_lab_are_known_by_their_rule_alone(name: str) -> None:
    for words in SEEN[name]:
        line = f"Warning  Failed  3s (x4 over 40s)  kubelet  Error: {in_a_line(name, words)}"
        (found,) = explanations(f"{WELL}{line}\n{WELL}")
        assert (found.id, found.line) == (name, 6)
        assert "{1}" not in found.cause + found.evidence + found.remedy


@pytest.mark.parametrize("name", SEEN)
def test_they_are_known_too_as_the_journals_quote_them(name: str) -> None:
    for words in SEEN[name]:
        quoted = json.dumps(f"rpc error: code = Unknown desc = {in_a_line(name, words)}")
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


@pytest.mark.parametrize(
    "line",
    [
        "flag provided but not defined: -log-level",
        "Usage of /app/server:",
        'config: toml: line 3 (last key "log.level"): incompatible types: TOML value has type int64; '
        "destination has type string",
        "esbuild: unknown platform: sunos",
        'panic: decode config file "/etc/app.toml": open /etc/app.toml: no such file or directory',
        'worker: error finding executable "ffmpeg" in PATH',
        'binary not installed "containerd-shim-kata-v2"',
        "supervisor: creating process: failed to load /opt/job: no such file or directory",
        "grpc: address can not be empty for io stream",
        'flag "dark-mode" not found. Cannot set it',
    ],
)
def test_what_any_program_may_print_is_not_taken_for_the_runtimes(line: str) -> None:
    assert explanations(f"State: Waiting\n{line}\n") == []
    assert explanations(f"{'x' * 700}{line} {'x' * 700} FailedCreatePodSandBox: the sandbox of runsc") == []


@pytest.mark.parametrize("name", SEEN)
def test_what_the_shim_said_on_the_node_is_known_as_it_is(name: str) -> None:
    cause = next(each.cause for each in rules() if each.id == name)
    for words in SEEN[name]:
        assert hint(words, "unknown", node="worker1").startswith(cause.partition("{1}")[0])


@pytest.mark.parametrize(
    "resources",
    [
        "limits.cpu=550m,limits.memory=192Mi",
        "limits.cpu=550m",
        "limits.memory=192Mi",
        "cpu=550m,limits.cpu=550m,pods=1,requests.memory=192Mi",
        "pods=1,requests.cpu=550m",
        "memory=192Mi",
    ],
)
def test_a_quota_is_known_by_what_the_overhead_adds_to(resources: str) -> None:
    """All that is exceeded is named, sorted and joined (kubernetes: plugin/pkg/admission/resourcequota)."""
    line = f'pods "a-x" is forbidden: exceeded quota: q.a, requested: {resources}, used: pods=1, limited: pods=1'
    assert [each.id for each in explanations(line)] == ["quota"]
    assert explanations(line.replace(resources, "pods=1,requests.storage=1Gi")) == []


@pytest.mark.parametrize("before", [0, 3_000, 15_990, 16_001, 19_990, 22_000, 200_000])
def test_an_error_is_known_wherever_it_is_in_a_long_line(before: int) -> None:
    """All events of a namespace may be one line, as compact JSON."""
    padding = ("Back-off restarting failed container web " * (before // 41 + 1))[:before]
    for name, words in SEEN.items():
        found = explanations(f"well\n{padding} Error: {in_a_line(name, words[0])}{padding}")
        assert [(each.id, each.line) for each in found] == [(name, 2)]
    two = SEEN["handler-unknown"][0], SEEN["handler-unknown"][0].replace("nohandler", "other")
    assert len(explanations(f"{two[0]}{' ' * 20_000}{two[1]}")) == 2


@pytest.mark.parametrize(
    "part",
    [
        "\\",
        '\\"',
        "exceeded quota: ",
        "exceeded quota: a, requested: a,",
        "container",
        'decode config file "',
        "flag ",
    ],
)
def test_a_line_of_any_length_is_looked_at_in_time(part: str) -> None:
    began = time.monotonic()
    explanations(part * (2_000_000 // len(part)))
    assert time.monotonic() - began < 20


def test_what_is_said_again_is_explained_once_and_names_are_filled_in() -> None:
    line = in_a_line("flag-unknown", SEEN["flag-unknown"][0])
    text = "\n".join([line, line, line.replace("nosuch", "other")])
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
