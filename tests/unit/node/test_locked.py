"""What even root cannot replace is seen by reading: chattr's flags, and file systems that cannot be written."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251  chattr
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ContainerdSettings, Paths
from nodeprov.node.facts import FactsQuery, parse_facts
from nodeprov.node.state import Machine
from tests.support.runtimes import layout_of
from tests.support.samples import settings


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose flags can be set, and are taken away again."""
    try:
        done = subprocess.run(["chattr", "+a", str(tmp_path)], check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no chattr here")
    if done.returncode or os.geteuid() != 0:
        pytest.skip("this file system has no such flags, or we are not root")
    yield tmp_path
    subprocess.run(["chattr", "-i", "-a", str(tmp_path)], check=True)


def machine(folder: Path) -> Machine:
    """The machine as it is read from here, with a prefix that is not there yet."""
    wanted = settings(
        paths=Paths(prefix=f"{folder}/opt/nodeprov"), containerd=ContainerdSettings(unit="none.service")
    )
    query = FactsQuery("here", wanted, layout_of(wanted))
    output = LocalHost().sh(query.script)
    assert b"lsattr" not in output.stderr
    return parse_facts("here", output.text, settings=wanted).machine


def test_an_append_only_folder_takes_no_rename(folder: Path) -> None:
    assert machine(folder).locked == {str(folder): "it is append-only (chattr +a)"}


def test_an_immutable_folder_takes_no_file(folder: Path) -> None:
    subprocess.run(["chattr", "-a", "+i", str(folder)], check=True)
    assert machine(folder).locked == {str(folder): "it is immutable (chattr +i)"}


def test_where_lsattr_is_missing_the_kernel_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["chattr", "-a", "+i", str(folder)], check=True)
    programs = folder.parent / "bin-without-lsattr"
    programs.mkdir(exist_ok=True)
    (programs / "lsattr").write_text("#!/bin/sh\nexit 127\n")
    (programs / "lsattr").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert machine(folder).locked == {str(folder): "it is immutable, or its file system is read-only"}


def test_a_folder_that_can_be_written_is_not_locked(folder: Path) -> None:
    subprocess.run(["chattr", "-a", str(folder)], check=True)
    assert machine(folder).locked == {}
