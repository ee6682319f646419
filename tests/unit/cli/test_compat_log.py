"""`nodeprov compat-log` where nothing can be read; what it reads: tests/lab/test_compat_log.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from nodeprov.cli import compat_log
from nodeprov.workloads.unsupported import Note, PodNotes, rows
from tests.support.command_line import INVENTORY, at_home, said


def test_nodes_that_cannot_be_reached_are_named(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    output = at_home(tmp_path, "compat-log", "--json")
    assert output.returncode == 1
    value = json.loads(output.text)
    assert value["calls"] == []
    assert {each["where"].split()[0] for each in value["errors"]} == {"worker1", "worker2"}


def test_a_node_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    output = at_home(tmp_path, "compat-log", "worker9")
    assert output.returncode == 2
    assert "hint: " in said(output)


def test_the_table_says_what_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    notes = (Note("rseq", "2026-11-28T22:41:35Z"),)
    found = rows([("worker1", [PodNotes("shop", "web-0", "u", notes)])])
    Console(width=100).print(compat_log.table(found))
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed] == [
        ["namespace", "workload", "call", "pods", "since", "nodes"],
        ["shop", "web", "rseq", "1", "2026-11-28T22:41:35Z", "worker1"],
    ]
