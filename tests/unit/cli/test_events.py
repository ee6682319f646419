"""The events of a run as JSON lines."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from nodeprov.cli import events as module
from nodeprov.cli import watching
from nodeprov.cli.events import EventStream, check_events
from nodeprov.cli.journal import Journal, journal_folder
from nodeprov.cli.watching import Telling, tell_refused
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.plan.steps import Event
from tests.support.plans import LABELLED, SANDBOX
from tests.support.runs import DONE, FAILED, PLANS, RECORD


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_is_told_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with watching.watching(PLANS, Telling(events=path)) as watch:
        watch.on_rollout(WaveEvent(1, 2, ("worker1",), "begun", "canary"))
        watch.on_rollout(NodeEvent("worker1", "begun"))
        watch.on_event(Event(LABELLED, "begun", node="worker1"))
        watch.on_event(Event(SANDBOX, "done", "token=hunter2", "worker1"))
        watch.on_rollout(NodeEvent("worker1", "done", seconds=2.0))
        watch.gathered(iter([DONE, FAILED]))
    found = events(path)
    assert [each["event"] for each in found] == [
        *("begun", "wave", "node", "step", "step", "node", "outcome", "outcome", "ended")
    ]
    assert {each["schema"] for each in found} == {1}
    first, wave, _, step, proof, node, outcome, _, last = found
    assert (first["run"], [plan["node"] for plan in first["plans"]]) == (
        last["run"],
        ["worker1", "worker2", "worker3"],
    )
    assert (wave["kind"], wave["state"], wave["nodes"]) == ("canary", "begun", ["worker1"])
    assert (step["phase"], step["step"], step["place"]) == ("begun", "change", "cluster")
    assert step["resource"].startswith("label:worker1:")
    assert "diff" not in step
    assert (proof["step"], proof["said"]) == ("proof", "token=(not shown)")
    assert (node["state"], node["seconds"]) == ("done", 2.0)
    assert (outcome["node"], outcome["exit_code"], outcome["changed"]) == ("worker1", 0, 9)
    assert [each["result"] for each in last["nodes"]] == ["done", "failed", "untouched"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_run_that_is_not_begun_says_why(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tell_refused([NodeprovError("kubelet does not run", where="worker1")], "install", Telling(events=path))
    first, last = events(path)
    assert (first["event"], first["action"], first["plans"]) == ("begun", "install", [])
    assert (last["event"], last["errors"][0]["message"]) == ("ended", "kubelet does not run")


def test_a_run_that_is_not_begun_has_one_name_in_its_events_and_in_the_history(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tell_refused([NodeprovError("kubelet does not run", where="worker1")], "install", Telling(events=path))
    noted = Journal(journal_folder()).read()[0]
    first, last = events(path)
    assert first["run"] == last["run"]
    assert first["run"] in {each.value["run"] for each in noted}


def stream(path: Path, errors: list[NodeprovError], seconds: list[float] | None = None) -> EventStream:
    left = iter(seconds or [])
    return EventStream(path, errors.append, utc_now=lambda: "now", clock=lambda: next(left))


def test_an_upload_is_told_once_a_second_and_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    seen = stream(path, [], [0.0, 0.2, 0.9, 1.1, 1.2, 1.3])
    for done in (1, 2, 3, 4, 5, 6):
        seen.on_upload("worker1", "runsc", done, 6)
    assert [each["bytes"] for each in events(path)] == [1, 4, 6]


def test_an_older_stream_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        check_events(path)
        stream(path, []).begin(RECORD)
    assert len(events(path)) == 1
    for text in ("notes\n", '{"event": "other"}\n', "[]\n"):
        path.write_text(text)
        with pytest.raises(UsageError, match="it exists and does not contain events of nodeprov"):
            check_events(path)
    path.write_text("")
    check_events(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [("-", "standard output has the result already"), (".", "it is a folder"), ("gone/x", "it cannot be written")],
)
def test_what_cannot_be_a_stream_is_refused(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        check_events(Path(name))


def test_a_full_disk_is_said_once_and_the_run_goes_on() -> None:
    errors: list[NodeprovError] = []
    full = stream(Path("/dev/full"), errors)
    for _ in range(3):
        full.on_rollout(NodeEvent("worker1", "begun"))
    full.end(RECORD)
    assert [each.message for each in errors] == ["events cannot be written any more: no space left on device"]


def test_a_file_that_is_not_to_be_had_is_said(tmp_path: Path) -> None:
    errors: list[NodeprovError] = []
    stream(tmp_path / "gone" / "x", errors).begin(RECORD)
    assert [each.message for each in errors] == ["events cannot be written any more: no such file or directory"]


def test_a_pipe_gets_them_as_they_happen_however_long(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_events(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    heard: list[str] = []
    with os.fdopen(reading) as file:
        reader = threading.Thread(target=lambda: heard.extend(file))
        seen = stream(pipe, [])
        reader.start()
        for _ in range(50):
            seen.on_outcome(DONE)
        seen.end(RECORD)
        reader.join(30)
    assert [json.loads(line)["event"] for line in heard] == [*["outcome"] * 50, "ended"]


def test_a_pipe_that_nobody_has_opened_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    errors: list[NodeprovError] = []
    stream(tmp_path / "pipe", errors).begin(RECORD)
    assert [each.message for each in errors] == [
        "events cannot be written any more: no program has opened the pipe"
    ]


def test_a_pipe_that_nobody_reads_does_not_stop_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    errors: list[NodeprovError] = []
    seen = stream(tmp_path / "pipe", errors)
    for _ in range(30):
        seen.on_rollout(NodeEvent("worker1", "waiting", "x" * 5000))
    os.close(reading)
    assert [each.message for each in errors] == ["events cannot be written any more: no program reads them"]


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    seen = stream(path, [])

    def act() -> None:
        for _ in range(100):
            seen.on_rollout(NodeEvent("worker1", "waiting", "x" * 5000))

    threads = [threading.Thread(target=act) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(events(path)) == 400
