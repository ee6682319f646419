"""`nodeprov history` as one calls it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.cli.journal import Journal
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.reports.run import NodeRun
from tests.support.command_line import nodeprov, said
from tests.support.runs import DONE, RECORD, plan_of, run_of
from tests.support.samples import golden


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Three runs: one that was killed, one of six nodes, and one of a single one, later."""
    journal = Journal(tmp_path / "nodeprov")
    journal.append(replace(RECORD, identity="aaaaaaaaaaaa", began="2026-11-27T02:00:00+00:00", ended=""))
    journal.append(replace(RECORD, report="/home/ann/CHG-4711.md"))
    alone = replace(DONE, plan=plan_of("gpu-1"))
    later = "2026-11-29T02:00:00+00:00"
    journal.append(
        replace(RECORD, identity="cccccccccccc", began=later, ended=later, nodes=(run_of(alone, 40.0),), errors=())
    )
    return journal


def history(journal: Journal, *arguments: str) -> Output:
    return nodeprov("history", *arguments, XDG_STATE_HOME=str(journal.folder.parent), COLUMNS="200")


def shown(output: Output) -> str:
    """What was printed, whenever that was."""
    return re.sub(r"\d+ (second|minute|hour|day)s? ago", "AGO", output.text)


def test_all_runs_are_shown_the_newest_last(journal: Journal) -> None:
    output = history(journal)
    assert output.returncode == 0
    golden("report/history.txt", shown(output))


def test_of_some_nodes_each_is_shown(journal: Journal) -> None:
    output = history(journal, "worker2", "gpu-*")
    golden("report/history-of-nodes.txt", shown(output))


def test_a_run_that_was_refused_says_why(journal: Journal) -> None:
    closed = NodeprovError("the window 02:00-04:00 UTC is closed; nothing was changed")
    left = NodeRun(plan_of("worker1"), "untouched", said=closed.message)
    journal.append(replace(RECORD, identity="dddddddddddd", nodes=(left,), errors=(closed,)))
    blocked = NodeprovError("kubelet does not run", where="worker1")
    journal.append(replace(RECORD, identity="eeeeeeeeeeee", nodes=(), errors=(blocked,)))
    first, second = (line for line in history(journal).text.splitlines() if "why: " in line)
    assert first.strip() == "why: the window 02:00-04:00 UTC is closed; nothing was changed"
    assert second.strip() == "why: worker1: kubelet does not run"
    assert "refused, 1 untouched" in history(journal, "--last", "2").text


def test_the_last_ones_are_shown(journal: Journal) -> None:
    assert "cccccccccccc" in history(journal, "--last", "1").text
    assert "0123456789ab" not in history(journal, "--last", "1").text
    assert "0123456789ab" in history(journal, "worker1", "--last", "1").text


def test_json_has_what_the_journal_has_of_the_nodes(journal: Journal) -> None:
    value = json.loads(history(journal, "worker2", "--json").stdout)
    assert (value["schema"], value["journal"]) == (1, str(journal.path))
    assert [(run["run"], run["state"], [node["node"] for node in run["nodes"]]) for run in value["runs"]] == [
        ("aaaaaaaaaaaa", "begun", ["worker2"]),
        ("0123456789ab", "ended", ["worker2"]),
    ]


def test_a_damaged_line_is_named_and_the_rest_is_shown(journal: Journal) -> None:
    with journal.path.open("a") as file:
        file.write("no json\n")
    output = history(journal, "--json")
    assert output.returncode == 0
    assert f"{journal.path}:4: this line is not an entry" in said(output)
    value = json.loads(output.stdout)
    assert (len(value["runs"]), len(value["errors"])) == (3, 1)


@pytest.mark.parametrize("arguments", [(), ("worker1",)])
def test_without_runs_it_is_said_where_they_would_be(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    output = history(Journal(tmp_path / "nodeprov"), *arguments)
    assert (output.returncode, output.text) == (0, "")
    of_nodes = " of worker1" if arguments else ""
    assert said(output) == f"no run{of_nodes} is in {tmp_path}/nodeprov/runs.jsonl\n"


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "nodeprov" / "runs.jsonl").mkdir(parents=True)
    output = history(Journal(tmp_path / "nodeprov"))
    assert output.returncode == 1
    assert "runs.jsonl: cannot be read: Is a directory" in said(output)


def test_what_was_written_there_does_not_control_the_terminal(journal: Journal) -> None:
    text = journal.path.read_text().replace("2026-11-29", "\\u001b[2J")
    journal.path.write_text(text)
    assert "\x1b[2J" not in history(journal).text
