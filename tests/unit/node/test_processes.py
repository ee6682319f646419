"""Which processes are taken for containerd and kubelet: root will run what they run."""

from __future__ import annotations

import os
import shutil
import subprocess  # noqa: TID251  processes under other names, and of another user
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from nodeprov.templates import render

NOBODY = 65534
NAME = "m-containerd"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@contextmanager
def running(program: Path, *, user: int = 0) -> Iterator[int]:
    with subprocess.Popen([str(program), "60"], user=user, group=user, extra_groups=[]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def found() -> list[int]:
    return [
        int(pid)
        for pid in run_checked(["sh", "-c", f"{render('node/processes.sh.j2')}\nnamed {NAME}"], "named").split()
    ]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    shutil.copy(shutil.which("sleep") or "", path)
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_mode & 0o005 != 0o005 and each.is_relative_to("/tmp"):
            each.chmod(0o755)
    path.chmod(0o755)
    return path


def test_a_process_of_roots_is_found(program: Path) -> None:
    with running(program) as pid:
        assert found() == [pid]


def test_somebody_elses_process_of_that_name_is_not_asked_anything(program: Path) -> None:
    """Else any user of a node has root run a program of theirs, by calling it containerd."""
    with running(program, user=NOBODY):
        assert found() == []


@pytest.mark.parametrize(("mode", "owner"), [(0o757, 0), (0o775, 0), (0o755, NOBODY), (0o4755, NOBODY)])
def test_a_program_that_somebody_else_may_change_is_not_run(program: Path, mode: int, owner: int) -> None:
    os.chown(program, owner, 0)
    program.chmod(mode)
    with running(program):
        assert found() == []


def test_a_program_that_is_roots_whoever_starts_it_is_none_of_his(program: Path) -> None:
    """A setuid program under a link with that name has root's effective user, and his real one."""
    program.chmod(0o4755)
    with running(program, user=NOBODY):
        assert found() == []


def test_a_program_that_was_replaced_on_disk_is_still_the_one_that_runs(program: Path) -> None:
    with running(program) as pid:
        program.unlink()
        assert found() == [pid]
