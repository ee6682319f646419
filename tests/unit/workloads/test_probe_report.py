"""What a platform's own pages and programs read of a probe."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.workloads.catalogue import catalogue
from nodeprov.workloads.judgement import Finding, Verdict
from nodeprov.workloads.probe_report import Probed, as_json, markdown, summary, table

FOUND = (
    Finding(catalogue()["disk-space"], Verdict.DIFFERS, "some", "none"),
    Finding(catalogue()["o-tmpfile"], Verdict.NEW, "ok", "ENOSYS"),
    Finding(catalogue()["setuid"], Verdict.SAME, "0", "0"),
    Finding(catalogue()["host-users"], Verdict.FAILED, "?the pod did not end", "refused: no"),
)
PROBED = Probed("worker1", "runsc", "20260905.0", {"allow-suid": "true"}, 1, FOUND)


def test_the_worst_comes_first_and_what_is_the_same_is_only_counted() -> None:
    assert [each.behaviour.id for each in PROBED.shown()] == ["host-users", "o-tmpfile", "disk-space"]
    assert table([PROBED]).row_count == 3
    assert "1 differs, 1 new, 1 same, 1 failed" in summary(PROBED)


def test_markdown_is_a_table_that_names_the_flags() -> None:
    text = markdown([PROBED])
    assert 'Release 20260905.0, cgroup v1, with allow-suid = "true".' in text
    assert "| o-tmpfile (new) |" in text
    assert "setuid" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}


def test_what_is_not_recorded_with_the_nodes_cgroups_is_told_with_the_counts() -> None:
    assert "release 20260905.0, cgroup v1: 1 differs" in summary(PROBED)
    other = replace(PROBED, release="20260518.0", cgroup_version=2)
    assert "release 20260518.0, cgroup v2 (not recorded with cgroup v2: compared" in summary(other)
    unknown = replace(other, release="20200101.0")
    assert "cgroup v2 (not recorded: compared with 20260905.0)" in summary(unknown)


def test_programs_read_all_findings_and_their_answers() -> None:
    value = as_json(PROBED)
    assert [each["result"] for each in value["findings"]] == ["differs", "new", "same", "failed"]
    assert value["cgroup_version"] == 1
    assert value["findings"][3]["runc"] == "the pod did not end"
