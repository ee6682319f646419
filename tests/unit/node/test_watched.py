"""What of a node is watched, as a script and its answer."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.node.watched import MOST_PATHS, NOTHING, Watched, WatchedQuery


def watched(*files: str, processes: tuple[int, ...] = ()) -> Watched:
    return Watched.of(
        files, values=["/proc/sys/kernel/random/boot_id"], processes=processes, written=[], started=[]
    )


def test_folders_on_the_way_are_watched_for_themselves_and_globs_name_none() -> None:
    found = watched("/a/b/c", "/a/b", "/d/*/e", "/proc/7/root/f", "")
    assert found.files == ("/a/b/c", "/a/b", "/d/*/e", "/proc/7/root/f")
    assert found.folders == ("/a/b/", "/a/", "/", "/d/")


def test_paths_of_any_kind_are_no_more_than_paths(tmp_path: Path) -> None:
    for name in ("it's", "a b", "$(touch x)", "-n", "q?"):
        (tmp_path / name).touch()
    query = WatchedQuery(
        watched(*(f"{tmp_path}/{name}" for name in ("it's", "a b", "$(touch x)", "-n", "q?", "*")))
    )
    output = run_program(["sh", "-c", query.script], folder=tmp_path)
    for name in ("it's", "a b", "$(touch x)", "-n", "q?"):
        assert f"{tmp_path}/{name}\n" in output.text
    assert not (tmp_path / "x").exists()
    assert query.parse(output) == LocalHost().ask([query])[0]


def test_a_process_is_known_by_its_start() -> None:
    seen = LocalHost().ask([WatchedQuery(watched("/", processes=(os.getpid(), 1 << 30)))])[0]
    assert [pid for pid, _ in seen.processes] == [os.getpid()]


def test_a_number_of_the_kernel_counts_with_all_its_digits() -> None:
    limit = Path("/proc/sys/kernel/pid_max")
    query = WatchedQuery(Watched.of([], values=[str(limit)], processes=[], written=[], started=[]))
    assert f"{limit}:{limit.read_text()}" in run_program(["sh", "-c", query.script]).text


def test_it_starts_three_programs(tmp_path: Path) -> None:
    for name in ("stat", "grep"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "${0##*/}" >> "${0%/*}/calls"\n')
        program.chmod(0o755)
    few = watched("/etc/passwd", processes=(1, os.getpid()))
    script = WatchedQuery(replace(few, named=("containerd", "kubelet"))).script
    output = run_program(["/bin/sh", "-c", script], environment={"PATH": str(tmp_path)})
    assert (tmp_path / "calls").read_text() == "grep\ngrep\nstat\n"
    assert output.text.startswith("swaps ")


def test_a_list_that_would_be_too_long_is_not_looked_at() -> None:
    assert watched("/a").is_small
    assert not watched(*(f"/{number}" for number in range(MOST_PATHS + 1))).is_small


@pytest.mark.parametrize("text", ["file 1 2\n", "process x y runs\n", "file 1 2 3 4 5 6 7 x /\n"])
def test_in_an_answer_of_another_form_nothing_is_seen(text: str) -> None:
    assert WatchedQuery(watched("/")).parse(Output(0, text.encode(), b"")) == NOTHING
