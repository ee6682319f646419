"""What a person is asked for."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from nodeprov.cli.main import EXIT_CODES, FAILED
from nodeprov.cli.output import ask
from nodeprov.errors import NodeprovError
from nodeprov.inventory import parse
from nodeprov.plan.plan import Plan
from tests.support.plans import INSTALL, UPGRADE
from tests.support.release_server import ReleaseServer


def typed(folder: Path, answers: Sequence[tuple[str, str]], *arguments: str) -> tuple[str, int]:
    """Run nodeprov on a terminal and answer each question in turn; return what was shown, and the status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(
            HOME=str(folder), NODEPROV_CACHE=str(folder / "cache"), NO_PROXY="127.0.0.1", TERM="dumb"
        )
        os.execv(sys.executable, [sys.executable, "-m", "nodeprov", *arguments])
    shown, left, deadline = "", list(answers), time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:  # the terminal is closed
            break
        if left and shown.endswith(f"{left[0][0]}: "):
            os.write(terminal, f"{left.pop(0)[1]}\n".encode())
    os.close(terminal)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


VERSION = "20260905.0"
NODE = "A node, as in Kubernetes (Enter: done)"
MORE = "Another node, as in Kubernetes (Enter: done)"
USER = "User to log in as (Enter: the one of ~/.ssh/config)"
KUBECTL = "Machine that runs kubectl (Enter: this one)"
RELEASE = "Release of gVisor, such as 20260905.0 (Enter: the newest)"


def test_a_person_is_asked_for_what_is_not_said(tmp_path: Path, server: ReleaseServer) -> None:
    answers = [
        (NODE, "worker1"),
        ("Address of worker1 (Enter: look its name up)", "10.0.0.11"),
        (MORE, ""),
        (USER, "admin"),
        (KUBECTL, "10.0.0.10"),
        (RELEASE, ""),
    ]
    shown, status = typed(tmp_path, answers, "init", "--base-url", server.url)
    assert status == 0, shown
    inventory = parse((tmp_path / "nodeprov.toml").read_text(), "nodeprov.toml")
    (node,) = inventory.nodes
    assert (node.ssh.address, node.ssh.user, node.settings.release.version) == ("10.0.0.11", "admin", VERSION)
    assert inventory.ssh("kubectl").address == "10.0.0.10"


def test_an_answer_that_does_not_fit_is_asked_for_again(tmp_path: Path) -> None:
    answers = [
        (NODE, "Worker"),
        (NODE, "worker1"),
        ("Address of worker1 (Enter: look its name up)", ""),
        (MORE, ""),
    ]
    shown, status = typed(tmp_path, answers, "init", "--user=a", "--kubectl-host=b", "--version", VERSION)
    assert status == 0, shown
    assert "that is not a name as Kubernetes has it" in shown


def test_with_yes_nobody_is_asked(tmp_path: Path) -> None:
    shown, status = typed(tmp_path, [], "init", "--yes", "--node", "worker1", "--version", VERSION)
    assert (status, "Enter" in shown) == (0, False)


def test_where_the_newest_cannot_be_found_a_person_is_asked_for_it(tmp_path: Path) -> None:
    again = "The newest release cannot be found. Release of gVisor"
    answers = [(USER, ""), (KUBECTL, ""), (RELEASE, ""), (again, VERSION)]
    shown, status = typed(tmp_path, answers, "init", "--node", "worker1", "--base-url", str(tmp_path / "nowhere"))
    assert status == 0, shown
    assert f'version = "{VERSION}"' in (tmp_path / "nodeprov.toml").read_text()


def test_an_answer_of_no_changes_nothing_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        patch.setattr("typer.confirm", lambda *_said, **_how: False)
        with pytest.raises(NodeprovError, match="not confirmed; nothing was changed") as raised:
            ask([INSTALL])
    assert raised.value.exit_code == FAILED
    assert "not confirmed" in EXIT_CODES


@pytest.mark.parametrize(
    ("plans", "question"),
    [
        ([INSTALL], "Change worker1 (containerd restarts)?"),
        ([UPGRADE], "Change worker1 (containerd does not restart)?"),
        ([INSTALL, replace(UPGRADE, node="w2")], "Change worker1, w2 (containerd restarts on 1 of 2)?"),
        (
            [replace(INSTALL, node=f"w{number}") for number in range(20)],
            "Change w0, w1, w2, w3, w4, w5, w6, w7 and 12 more (containerd restarts on 20 of 20)?",
        ),
    ],
)
def test_the_question_names_the_nodes_and_the_restarts(
    plans: list[Plan], question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def yes(said: str, **_how: bool) -> bool:
        asked.append(said)
        return True

    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("typer.confirm", yes)
    ask(plans)
    assert asked == [question]
