"""What two answers mean: met or not, as recorded or not, and when a question tells nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.workloads.catalogue import catalogue, recorded_releases
from nodeprov.workloads.judgement import Answers, Verdict, changes, judged, verdict
from nodeprov.workloads.probes import SAME, Probe, matches

RELEASE = "20260905.0"
PROBE = Probe(ask="inodes /", runc="some", sandbox="none")


@pytest.mark.parametrize(
    ("runc", "sandbox", "recorded", "expected"),
    [
        ("some", "none", "none", Verdict.DIFFERS),
        ("some", "none", SAME, Verdict.NEW),
        ("some", "ENOSYS", "none", Verdict.NEW),
        ("some", "some", "none", Verdict.GONE),
        ("some", "some", SAME, Verdict.SAME),
        ("none", "none", "none", Verdict.NOT_TOLD),
        ("none", "some", "none", Verdict.NOT_TOLD),
        ("exit 137", "none", "none", Verdict.NOT_TOLD),
        ("?no such question", "none", "none", Verdict.FAILED),
        ("some", "?the pod did not end", "none", Verdict.FAILED),
    ],
)
def test_two_answers_are_judged(runc: str, sandbox: str, recorded: str, expected: Verdict) -> None:
    assert verdict(PROBE, runc, sandbox, recorded) is expected


def test_a_flag_that_cures_changes_what_is_recorded() -> None:
    cured = replace(PROBE, cured_by={"overlay2": "none|all:dir=/x"})
    assert cured.recorded(RELEASE, {}) == "none"
    assert cured.recorded(RELEASE, {"overlay2": "none"}) == SAME
    assert cured.recorded(RELEASE, {"overlay2": "root:self"}) == "none"


def test_a_behaviour_that_a_flag_brings_is_not_recorded_without_it() -> None:
    brought = replace(PROBE, only_with={"in-sandbox-cgroup": "v2"})
    assert brought.recorded(RELEASE, {}) == SAME
    assert brought.recorded(RELEASE, {"in-sandbox-cgroup": "v2"}) == "none"


def test_a_release_may_have_been_otherwise() -> None:
    older = replace(PROBE, releases={"20260518.0": "ENOSYS", "20260101.0": SAME})
    assert [older.recorded(each, {}) for each in ("20260518.0", "20260101.0", RELEASE)] == ["ENOSYS", SAME, "none"]


def test_a_node_with_cgroup_v2_may_answer_otherwise_and_so_may_the_pod_beside_the_sandbox() -> None:
    probe = replace(PROBE, releases={"20260518.0": "few"}, cgroup_v2={"sandbox": "ENOSYS", "runc": "many"})
    assert probe.on(1) == probe
    assert (probe.on(2).runc, probe.on(2).recorded(RELEASE, {})) == ("many", "ENOSYS")
    assert probe.on(2).recorded("20260518.0", {}) == "few", "what a release answers otherwise stays"
    assert verdict(probe.on(2), "many", "ENOSYS", "ENOSYS") is Verdict.DIFFERS
    assert verdict(probe.on(1), "some", "ENOSYS", "none") is Verdict.NEW


@pytest.mark.parametrize("name", [name for name, each in catalogue().items() if each.probe])
def test_what_is_recorded_for_cgroup_v2_is_otherwise_than_for_v1(name: str) -> None:
    probe = catalogue()[name].probe
    assert probe is not None
    otherwise = probe.cgroup_v2 or {}
    assert {*otherwise} <= {"runc", "sandbox"}
    assert all(getattr(probe, field) != value for field, value in otherwise.items())


def test_what_was_not_asked_has_failed() -> None:
    found = judged(Answers({}, {}), RELEASE, {}, 1)
    assert {each.verdict for each in found} == {Verdict.FAILED}
    assert len(found) >= 40


@pytest.mark.parametrize("name", [name for name, each in catalogue().items() if each.probe])
def test_no_answer_is_both_the_sandboxs_and_runcs(name: str) -> None:
    probe = catalogue()[name].probe
    assert probe is not None
    samples = ["yes", "no", "ok", "0", "1", "2", "64 MiB", "12051 MiB", "EPERM", "ENOSYS", "EINVAL", "EOPNOTSUPP"]
    samples += ["some", "none", "tmpfs", "overlay", "77", "7200", "65530", "2147483647", "67108864", "201326592"]
    for answer in [*samples, probe.runc, *probe.runc.split("|"), *probe.sandbox.split("|")]:
        assert not (matches(probe.runc, answer) and matches(probe.sandbox, answer)), answer


def test_each_behaviour_has_a_probe_or_says_why_not() -> None:
    for each in catalogue().values():
        assert (each.probe is None) is bool(each.unprobed), each.id


def test_what_changes_between_releases_is_said_and_nothing_of_what_is_not_recorded() -> None:
    old, new = recorded_releases()
    said = [*changes(old, new, {}, 1)]
    differing = [name for name, each in catalogue().items() if each.probe and old in each.probe.releases]
    assert [each.partition(" (")[2].partition(")")[0] for each in said] == differing
    assert "some inodes" in next(each for each in said if "(disk-space)" in each)
    assert not [*changes(new, new, {}, 1)]
    assert not [*changes("20250101.0", new, {}, 1)]
