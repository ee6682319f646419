"""Watching a run: what is printed meanwhile, and what is kept of it."""

from __future__ import annotations

import os
import pty
import re
import subprocess  # noqa: TID251  its terminal is what a test is about
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.cli import watching
from nodeprov.cli.journal import Journal
from nodeprov.cli.lines import Lines
from nodeprov.cli.watching import Telling, tell_refused
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.errors import NodeprovError
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event
from nodeprov.reports.run_report import MARK
from tests.support.plans import LABELLED, NOTHING
from tests.support.runs import DONE, FAILED, PLANS, plan_of, planned


def watched(telling: Telling = watching.NOTHING_MORE, count: int = 3) -> watching.Watch:
    """Act a run whose second node fails."""
    with watching.watching(PLANS[:count], telling) as watch:
        watch.on_rollout(WaveEvent(1, 2, ("worker1",), "begun", "canary"))
        watch.on_upload("worker1", "runsc", 1, 2)
        watch.on_upload("worker1", "runsc", 2, 2)
        watch.on_event(Event(LABELLED, "done", node="worker1"))
        watch.on_rollout(NodeEvent("worker1", "done", seconds=2.04))
        watch.on_rollout(WaveEvent(1, 2, ("worker1",), "done", "canary"))
        watch.on_rollout(NodeEvent("worker2", "failed", "it does not serve"))
        watch.on_rollout(NodeEvent("worker3", "untouched", "worker2 has failed"))
        watch.gathered(iter([DONE, FAILED]))
    return watch


def test_without_a_terminal_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    watched()
    assert capsys.readouterr().err.splitlines() == [
        "wave 1 of 2, canary: worker1",
        "worker1: uploading 0 MB  0:00",
        "worker1: uploaded 0 MB  0:00",
        "worker1: done: label nodeprov.node-restriction.kubernetes.io/gvisor on node worker1  0:00",
        "worker1: done in 2 s",
        "worker2: failed: it does not serve",
    ]


def test_of_one_node_there_is_no_word_of_waves(capsys: pytest.CaptureFixture[str]) -> None:
    with watching.watching(PLANS[:1], watching.NOTHING_MORE) as watch:
        watch.on_rollout(WaveEvent(1, 1, ("worker1",), "begun"))
        watch.on_rollout(NodeEvent("worker1", "done", seconds=2.04))
    assert capsys.readouterr().err == ""


def test_the_record_knows_what_came_of_each_node() -> None:
    record = watched().record(ended="now")
    assert [(each.node, each.result, each.seconds is None, each.said) for each in record.nodes] == [
        ("worker1", "done", False, ""),
        ("worker2", "failed", True, "it does not serve"),
        ("worker3", "untouched", True, "worker2 has failed"),
    ]
    assert [(wave.kind, wave.nodes, bool(wave.ended)) for wave in record.waves] == [("canary", ("worker1",), True)]


def test_a_node_whose_end_was_not_seen_is_not_called_untouched() -> None:
    watch = watching.Watch([*PLANS[:2], planned(plan_of("worker5", NOTHING))])
    watch.on_event(Event(LABELLED, "begun", node="worker1"))
    assert [each.result for each in watch.record().nodes] == ["unknown", "untouched", "nothing"]


def test_a_report_is_written_at_the_end(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_text(f"{MARK}\nan older one\n")
    watched(Telling(report))
    text = report.read_text()
    assert re.search(r"\| worker1 \| done \| 9 \| yes \| \d+\.\d \|", text)
    assert "an older one" not in text
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_report_is_written_though_the_run_ends_by_a_fault(tmp_path: Path) -> None:
    def outcomes() -> Iterator[Outcome]:
        yield DONE
        raise RuntimeError("a fault")

    report = tmp_path / "report.md"
    with (
        pytest.raises(RuntimeError, match="a fault"),
        watching.watching(PLANS, Telling(report)) as watch,
    ):
        watch.gathered(outcomes())
    assert "| worker1 | done |" in report.read_text()
    assert "| worker2 | untouched |" in report.read_text()


def test_a_run_that_is_refused_has_a_report_too(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    tell_refused([NodeprovError("kubelet does not run", where="worker1")], "install", Telling(report))
    assert "# nodeprov install: no node was changed" in report.read_text()
    assert "**worker1**: kubelet does not run" in report.read_text()
    report.unlink()
    tell_refused([], "install", Telling(report))
    assert not report.exists()


def test_a_report_that_cannot_be_written_is_said_and_fails_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched(Telling(tmp_path / "gone" / "report.md"))
    assert "--report" in capsys.readouterr().err


ON_A_TERMINAL = """
import time
from tests.support.runs import PLANS
from nodeprov.cli import watching
from nodeprov.engine.events import NodeEvent
from nodeprov.cli.output import say
with watching.watching(PLANS, watching.NOTHING_MORE, window_left=lambda: 2843.0) as watch:
    watch.on_rollout(NodeEvent("worker1", "begun"))
    time.sleep(0.6)
    say("a line from elsewhere")
    watch.on_rollout(NodeEvent("worker2", "failed", "it does not serve"))
    time.sleep(0.6)
print("the result")
"""


def on_a_terminal(**environment: str) -> str:
    ours, theirs = pty.openpty()
    plain = {"PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100", "LINES": "24", **plain, **environment},
    )
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0, said.decode()
    return said.decode()


def test_on_a_terminal_a_view_is_drawn_and_taken_away_again() -> None:
    said = on_a_terminal()
    assert "▶ worker1" in said
    assert "3 nodes: 1 in progress, 1 failed, 1 waiting" in said
    assert "the window closes in 47:23" in said
    assert "a line from elsewhere" in said
    assert "\x1b[2K" in said.rpartition("3 nodes:")[2]  # its lines are erased
    assert said.rstrip().endswith("the result")


GONE = ON_A_TERMINAL.replace('print("the result")', 'import sys; sys.stdout.write("the result")').replace(
    'say("a line from elsewhere")', "import os; os.write(1, b'ready\\n'); os.read(0, 3); say('a line')"
)


def test_a_terminal_that_goes_away_meanwhile_ends_no_run() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", GONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "TERM": "xterm",
            "PYTHONIOENCODING": "utf-8",
        },
    )
    assert process.stdout is not None
    os.close(theirs)
    assert process.stdout.readline() == b"ready\n"
    os.close(ours)
    stdout, _ = process.communicate(b"go\n", timeout=60)
    assert (process.returncode, stdout) == (0, b"the result")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_cannot_draw_gets_lines(environment: dict[str, str]) -> None:
    said = on_a_terminal(**environment)
    assert "worker2: failed: it does not serve" in said
    assert "\x1b" not in said


class Failing(Lines):
    """A listener with a fault."""

    def on_event(self, event: Event) -> None:
        raise RuntimeError("a fault")


def test_a_listener_that_fails_hears_no_more_and_ends_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    watch = watching.Watch(PLANS)
    watch.listeners.insert(0, Failing(PLANS, lambda: 0.0))
    for _ in range(2):
        watch.on_event(Event(LABELLED, "done", node="worker1"))
    assert watch.board.picture().rows[0].steps_done == 2
    assert capsys.readouterr().err.count("an error in nodeprov itself: RuntimeError: a fault") == 1


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Journal(tmp_path / "nodeprov")


def test_a_run_is_noted_when_it_begins_and_when_it_ends(journal: Journal) -> None:
    with watching.watching(PLANS, watching.NOTHING_MORE):
        [entry], _ = journal.read()
        assert not entry.has_ended
    [entry], _ = journal.read()
    assert entry.has_ended
    assert len(journal.path.read_text().splitlines()) == 2


def test_a_run_that_changes_nothing_is_not_noted(journal: Journal) -> None:
    with watching.watching([planned(plan_of("worker5", NOTHING))], watching.NOTHING_MORE):
        pass
    assert not journal.folder.exists()


def test_a_journal_that_cannot_be_written_fails_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert watched().record().nodes[0].result == "done"
    assert capsys.readouterr().err.count("this run is not in the history") == 1
