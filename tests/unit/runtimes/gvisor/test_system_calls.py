"""Which system calls an upgrade brings: the real runsc of both releases is asked, where the lab has built them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.releases.cache import CacheFolder
from nodeprov.releases.obtain import Release, kept_beside
from nodeprov.runtimes.gvisor.system_calls import call_changes, known_calls
from tests.support.real_releases import BUILT
from tests.support.samples import release
from tests.support.situations import after_install

REAL = {each.parent.name[7:17]: each for each in BUILT}
OLD, NEW = "20260518.0", "20260905.0"
real = pytest.mark.skipif(not {OLD, NEW} <= REAL.keys(), reason="no lab here")


def kept(cache: Path, version: str, program: Path) -> Release:
    """Keep a release as a download does."""
    folder = CacheFolder.of(cache, "http://127.0.0.1/releases", version, os.uname().machine)
    tree = folder.staging / "made"
    tree.mkdir(parents=True)
    for name in ("runsc", "containerd-shim-runsc-v1"):
        os.link(program, tree / name)
    entry = folder.store(tree, "files", {}, {})
    return Release(version, os.uname().machine, entry.layout, folder.tree, entry.tree, entry.sha512)


@pytest.fixture
def both(tmp_path: Path) -> tuple[Release, Release]:
    near = tmp_path if tmp_path.stat().st_dev == BUILT[0].stat().st_dev else BUILT[0].parent.parent
    return kept(near / "cache", OLD, REAL[OLD]), kept(near / "cache", NEW, REAL[NEW])


@real
def test_what_came_and_went_between_two_real_releases_is_named(both: tuple[Release, Release]) -> None:
    old, new = both
    (came,) = call_changes(old, new)
    assert came.endswith("openat2, personality, sched_getattr, sched_setattr")
    assert came.startswith("13 system calls are known from now on: bpf, copy_file_range, ")
    assert [*call_changes(new, old)] == [came.replace("known from now on", "no longer known")]
    assert [*call_changes(new, new)] == []


@real
def test_a_call_that_is_listed_as_not_implemented_is_not_known(both: tuple[Release, Release]) -> None:
    old, _ = both
    said = run_program([str(old.folder / "runsc"), "help", "syscalls"]).text
    assert "copy_file_range" in said
    assert {"read", "clone"} <= known_calls(old)
    assert "copy_file_range" not in known_calls(old)


@pytest.fixture
def played(tmp_path: Path) -> tuple[Release, Release]:
    """Two releases whose programs do not run anywhere."""
    return release(tmp_path, OLD, b"\x7fELF old"), release(tmp_path, NEW, b"\x7fELF new")


def test_of_a_program_that_does_not_run_here_nothing_is_said(
    played: tuple[Release, Release], tmp_path: Path
) -> None:
    old, new = played
    assert known_calls(old) == frozenset()
    assert [*call_changes(old, new)] == []
    assert known_calls(Release("20260905.0", "x86_64", "files", tmp_path / "gone", new.tree, {})) == frozenset()


@real
def test_a_plan_names_them_where_the_release_in_force_is_kept_here_too(both: tuple[Release, Release]) -> None:
    old, new = both
    (came,) = call_changes(old, new)
    notes = after_install(old, new).install().plan.notes
    assert f"in pods, from {OLD} to {NEW}: {came}" in notes
    assert kept_beside(new, old.name) == old
    for gone in (f"{OLD}-0123456789ab", f"20260519.0-{old.name[-12:]}", ""):
        assert kept_beside(new, gone) is None


def test_the_release_in_force_that_is_not_kept_here_is_not_asked(played: tuple[Release, Release]) -> None:
    old, new = played
    assert kept_beside(new, old.name) is None
    assert not any("system call" in each for each in after_install(old, new).install().plan.notes)
