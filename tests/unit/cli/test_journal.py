"""The journal of runs: what is written is read back, and nothing about it fails a run."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from nodeprov.cli import journal as module
from nodeprov.cli.journal import BEFORE, FILE, LOCK, Journal, journal_folder
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import plain
from nodeprov.hosts.local import LocalHost
from nodeprov.reports.run import record_json
from tests.support.runs import RECORD


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "nodeprov")


def runs(journal: Journal) -> list[str]:
    entries, damage = journal.read()
    assert damage == []
    return [str(each.value["run"]) for each in entries]


def test_where_nothing_was_written_nothing_is_read(journal: Journal) -> None:
    assert journal.read() == ([], [])


def test_what_is_written_is_read_back_and_only_we_may_read_it(journal: Journal) -> None:
    journal.append(RECORD)
    [entry], damage = journal.read()
    assert damage == []
    assert entry.value == {"schema": 1, **record_json(RECORD)}
    assert entry.has_ended
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.folder.stat().st_mode & 0o777 == 0o700


def test_the_end_of_a_run_takes_the_place_of_its_beginning(journal: Journal) -> None:
    for identity in ("a", "b"):
        journal.append(replace(RECORD, identity=identity, ended=""))
    journal.append(replace(RECORD, identity="a"))
    entries, _ = journal.read()
    assert [(each.value["run"], each.has_ended) for each in entries] == [("a", True), ("b", False)]


def test_of_a_run_that_has_not_ended_no_node_is_called_untouched(journal: Journal) -> None:
    journal.append(replace(RECORD, ended=""))
    [entry], _ = journal.read()
    assert "untouched" not in {node["result"] for node in entry.nodes}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": 2}',
        '{"schema": 1, "run": 5}',
        "\udcff",
        '{"schema": 1}' * 2,
        "[" * 10_000,
    ],
)
def test_a_damaged_line_is_named_and_the_others_are_read(journal: Journal, line: str) -> None:
    journal.append(replace(RECORD, identity="a"))
    with journal.path.open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")
    journal.append(replace(RECORD, identity="b"))
    entries, [error] = journal.read()
    assert [each.value["run"] for each in entries] == ["a", "b"]
    assert error.where == f"{journal.path}:2"
    assert error.hint == f"to be rid of it, delete it: sed -i 2d {journal.path}"


def test_several_damaged_lines_are_deleted_by_one_command(journal: Journal) -> None:
    """By one for each the lines below the first would have other numbers."""
    for identity in ("a", "b"):
        journal.append(replace(RECORD, identity=identity))
        with journal.path.open("a") as file:
            file.write("{\n")
    _, damage = journal.read()
    [hint] = {each.hint for each in damage}
    command = hint.partition(": ")[2]
    assert command == f"sed -i '2d;4d' {journal.path}"
    LocalHost().run(plain("delete", command))
    assert runs(journal) == ["a", "b"]


@pytest.mark.parametrize("change", [{"seconds": "1.5"}, {"seconds": True}])
def test_seconds_that_are_no_number_are_damage(journal: Journal, change: dict[str, object]) -> None:
    value = record_json(RECORD)
    node = {**value["nodes"][0], **change}
    journal.folder.mkdir(parents=True)
    journal.path.write_text(json.dumps({"schema": 1, **value, "nodes": [node]}) + "\n")
    assert len(journal.read()[1]) == 1


def test_errors_that_are_none_are_damage(journal: Journal) -> None:
    journal.folder.mkdir(parents=True)
    journal.path.write_text(json.dumps({"schema": 1, **record_json(RECORD), "errors": [1]}) + "\n")
    assert len(journal.read()[1]) == 1


READ = record_json(RECORD).keys() - {"errors", "version"}


@pytest.mark.parametrize("name", sorted(READ))
def test_a_line_with_a_field_of_another_kind_is_damaged(journal: Journal, name: str) -> None:
    journal.folder.mkdir(parents=True)
    journal.path.write_text(json.dumps({"schema": 1, **record_json(RECORD), name: {"x": 1}}) + "\n")
    entries, damage = journal.read()
    assert (entries, len(damage)) == ([], 1)


def test_a_line_that_was_cut_short_damages_no_later_one(journal: Journal) -> None:
    journal.append(replace(RECORD, identity="a"))
    with journal.path.open("ab") as file:
        file.write(b'{"schema": 1, "ru')
    journal.append(replace(RECORD, identity="b"))
    entries, damage = journal.read()
    assert ([each.value["run"] for each in entries], len(damage)) == (["a", "b"], 1)


def test_it_stays_small_and_keeps_what_is_new(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BYTES", 5000)
    for number in range(20):
        journal.append(replace(RECORD, identity=str(number)))
    assert sum(path.stat().st_size for path in journal.folder.iterdir()) < 15_000
    assert {path.name for path in journal.folder.iterdir()} <= {FILE, BEFORE, LOCK}
    kept = runs(journal)
    assert kept == [str(number) for number in range(20)][-len(kept) :]
    assert len(kept) >= 3


def test_no_line_of_many_who_write_is_lost(journal: Journal) -> None:
    names = [str(number) for number in range(20)]
    threads = [
        threading.Thread(target=lambda name=name: Journal(journal.folder).append(replace(RECORD, identity=name)))
        for name in names
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(runs(journal)) == sorted(names)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_nothing_is_written_by_half(journal: Journal) -> None:
    journal.append(replace(RECORD, identity="a"))
    size = journal.path.stat().st_size
    with largest_file(size + 100), pytest.raises(NodeprovError, match="this run is not in the history") as refused:
        journal.append(replace(RECORD, identity="b"))
    assert "the run itself goes on" in refused.value.hint
    assert journal.path.stat().st_size == size
    assert runs(journal) == ["a"]


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NodeprovError, match="this run is not in the history: not a directory"):
        Journal(tmp_path / "file" / "nodeprov").append(RECORD)


def test_who_holds_the_lock_is_not_waited_for_without_end(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    journal.folder.mkdir(parents=True)
    with FileLock(journal.folder / LOCK), pytest.raises(NodeprovError, match="another run holds"):
        Journal(journal.folder).append(RECORD)


def test_it_is_in_the_folder_that_the_user_has_for_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert journal_folder() == Path("/somewhere/nodeprov")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert journal_folder() == Path("/home/ann/.local/state/nodeprov")


def test_the_tests_do_not_write_where_we_do() -> None:
    assert str(journal_folder()).startswith(os.environ["NODEPROV_TEST_RUN"])
