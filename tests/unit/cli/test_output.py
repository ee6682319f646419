"""What is said to a terminal that is gone, or to a full disk: it must not keep a node from being put back."""

from __future__ import annotations

import os
import pty
import subprocess  # noqa: TID251  its standard streams are what the tests are about
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeprov.cli.output import show_outcomes
from tests.support.command_line import paths
from tests.support.runs import DONE, FAILED, NOTHING_TO_DO, run_of
from tests.support.terminal import run_in_terminal

SPEAKS = """
import os
import signal

from nodeprov.cli import output, session
from nodeprov.cli.main import cancelled_by_signals, leave
from nodeprov.engine.rollout import Rollout
from nodeprov.inventory import RolloutSettings
from nodeprov.plan.plan import INSTALL
from nodeprov.plan.steps import Event
from nodeprov.errors import NodeprovError
from nodeprov.plan.steps import Drain
from nodeprov.plan.plan import Outcome
from nodeprov.plan.plan import Plan
from nodeprov.plan.steps import Serving

nobody = Rollout((), RolloutSettings())
with cancelled_by_signals(lambda cancel: session.say_interrupted(nobody, cancel)) as cancel:
    for phase in ("begun", "undone"):
        output.show_event(Event(Drain(("a/b",)), phase, node="worker1"))
    os.kill(os.getpid(), signal.SIGHUP)
    assert cancel.is_asked
output.print_error(NodeprovError("it failed"))
steps = (Serving("it serves"), Drain(("a/b",)))
failed = Outcome(Plan("worker1", INSTALL, steps), error=NodeprovError("it failed"))
for outcomes in ([failed], [Outcome(Plan("worker1", INSTALL, steps))]):
    output.show_outcomes(outcomes)
    output.show_outcomes(outcomes, as_json=True)
leave(4)
"""


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def dead_terminal() -> int:
    master, slave = pty.openpty()
    os.close(master)
    return slave


def broken_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("stderr", [full_disk, dead_terminal, broken_pipe])
@pytest.mark.parametrize("stdout", [full_disk, dead_terminal, broken_pipe])
def test_the_exit_code_is_that_of_the_run_though_nobody_hears(
    stdout: Callable[[], int], stderr: Callable[[], int]
) -> None:
    assert speaking(stdout(), stderr()) == 4


def test_an_error_is_told_where_a_result_cannot_be_written(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said:
        assert speaking(full_disk(), said.fileno()) == 4
    assert "the result cannot be written: No space left on device" in (tmp_path / "said").read_text()


@pytest.mark.parametrize(
    ("line", "stdout", "code"),
    [
        ("--help", full_disk, 1),
        ("sign --help", full_disk, 1),
        ("sign --help", broken_pipe, 1),
        ("rbac --json -i /nowhere", full_disk, 2),
        ("rbac --json -i /nowhere", broken_pipe, 2),
        ("--version >&-", full_disk, 0),
        ("rbac --json -i /nowhere >&- 2>&-", full_disk, 2),
    ],
)
def test_a_command_whose_result_cannot_be_written_ends_without_a_traceback(
    line: str, stdout: Callable[[], int], code: int
) -> None:
    command = ["sh", "-c", f"exec {sys.executable} -m nodeprov {line}"]
    with subprocess.Popen(command, stdout=stdout(), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert "Traceback" not in told
    assert process.returncode == code, told


def test_several_nodes_are_told_in_a_table_above_what_went_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [run_of(DONE, 41.23), run_of(FAILED, 60.0)]
    monkeypatch.setattr(sys, "stderr", sys.stdout)  # so that the order of both is seen
    show_outcomes([FAILED, DONE], nodes=nodes)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "worker1: install done, 9 changes"
    assert [line.split() for line in lines if line.startswith(("node ", "worker1  "))] == [
        ["node", "result", "changes", "restart", "seconds"],
        ["worker1", "done", "9", "yes", "41.2"],
    ]
    assert lines[-2].startswith("hint: journalctl")
    assert lines[-1].startswith("worker2: taken back: 8 changes")


def test_where_there_was_nothing_to_do_there_is_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcomes([NOTHING_TO_DO] * 2, nodes=[run_of(NOTHING_TO_DO, None)] * 2)
    assert capsys.readouterr().out == ""


def test_one_node_needs_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcomes([DONE], nodes=[run_of(DONE, 41.23)])
    assert "seconds" not in capsys.readouterr().out.partition("6 s")[2]


def speaking(stdout: int, stderr: int) -> int:
    command = [sys.executable, "-c", SPEAKS]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment) as process:
        return process.wait(60)


def test_what_is_seen_to_go_on_leaves_the_terminal_as_it_was() -> None:
    code = "import time; from nodeprov.cli.output import moving\nwith moving('asking in pods'): time.sleep(0.2)"
    seen = {"moving": lambda screen: any("asking in pods" in text for text in screen.texts)}
    shown = run_in_terminal([sys.executable, "-c", code], 40, 10, moments=seen, environment=paths())
    assert (shown.exit_code, {*shown.screens}) == (0, {"moving", "end"})
    assert (shown.screens["end"].texts, shown.screens["end"].cursor_is_shown) == ([], True)
