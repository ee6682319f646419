"""What a node says is data: it is bounded, waited for no longer than is said, and never commands a terminal."""

from __future__ import annotations

import base64
import io
import json
import multiprocessing
import socket
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nodeprov.cli import output
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import LARGEST_OUTPUT_BYTES, Query, plain
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.hosts.ssh import channels
from nodeprov.hosts.ssh import host as ssh_host
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Ssh
from nodeprov.kubernetes.cluster_read import ClusterQuery
from nodeprov.kubernetes.draining import NodePodsQuery
from nodeprov.plan.files import FileAt, LinkAt, PresentAt, TreeAt
from nodeprov.plan.plan import INSTALL, Outcome, Plan
from nodeprov.plan.steps import Drain, Event, Restart, Sandbox, Serving, Swap
from nodeprov.redaction import visible
from nodeprov.reports.findings import CheckResult, Finding, Severity, findings_table, results_table
from nodeprov.reports.outcome import event_text, outcome_text
from nodeprov.reports.plan import plan_text
from tests.adversaries.hostile_node import (
    ESCAPES,
    Answer,
    HostileNode,
    answering,
    dribbling,
    dripping,
    flooding,
    framing,
    saying,
    silent,
    without_status,
)
from tests.support.memory import forget_peak, peak_kib
from tests.support.samples import settings

HERE = Path(__file__).parents[2]
TEXT = ESCAPES.decode(errors="surrogateescape")


def host_of(node: HostileNode, **said: Any) -> SshHost:
    reached: dict[str, Any] = {
        "user": "root",
        "port": node.port,
        "identity_file": str(node.identity),
        "known_hosts": str(node.known_hosts),
        **said,
    }
    return SshHost("worker1", Ssh(address="127.0.0.1", **reached))


@dataclass(frozen=True)
class Case:
    """A node that answers so, and what is said of it."""

    answer: Answer
    said: str
    hint: str = ""


CUT = "a command printed more than 64 MiB and was cut off"
UNHEARD = "no answer within 2 s (to wait longer: [ssh] command_timeout_seconds)"
CASES = {
    "silence": Case(silent, UNHEARD, "is it up?"),
    "an end without a status": Case(without_status, UNHEARD, "is it up?"),
    "a drip": Case(dripping, UNHEARD, "is it up?"),
    "nothing": Case(saying(), "the node's shell answered 0 of 1 questions"),
    "escapes": Case(saying(ESCAPES, ESCAPES, 1), "the node's shell answered 0 of 1 questions: \x1b[2J"),
    "a complaint of one endless line": Case(
        saying(b"", b"e" * 1_000_000, 1), f"the node's shell answered 0 of 1 questions: {'e' * 300}..."
    ),
    "a mark without base64": Case(saying(b"\n@nodeprov \xff\xfe\n"), "the node's shell answered 0 of 1"),
    "a status that is none": Case(saying(b"\n@nodeprov eA==\n"), "the node's shell answered 0 of 1"),
    "a status of 5000 digits": Case(
        saying(b"\n@nodeprov " + base64.b64encode(b"x\n" + b"9" * 5000) + b"\n"),
        "the node's shell answered 0 of 1",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_node_that_answers_something_else_is_told_so_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setattr(ssh_host, "GRACE_SECONDS", 1)
    with answering(HostileNode(tmp_path, case.answer)) as node:
        host = host_of(node, command_timeout_seconds=1 if case.said == UNHEARD else 60)
        with pytest.raises(NodeprovError) as caught:
            host.ask([PresentAt("/x")])
        host.close()
    assert caught.value.message.startswith(case.said)
    assert case.hint in caught.value.hint
    assert caught.value.where.startswith("worker1")
    assert len(str(caught.value)) < 2000


def test_an_agent_that_says_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was forwarded into a terminal which has outlived the connection."""
    place = str(tmp_path / "agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", place)
    with socket.socket(socket.AF_UNIX) as agent, answering(HostileNode(tmp_path, saying())) as node:
        agent.bind(place)
        agent.listen()
        host = host_of(node, connect_timeout_seconds=1)
        with pytest.raises(NodeprovError, match=f"the agent at {place} does not answer"):
            host.ask([PresentAt("/x")])
        host.close()


def test_a_script_that_is_held_begins_in_time_or_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "HOLD_TIMEOUT_SECONDS", 1)
    began = time.monotonic()
    with answering(HostileNode(tmp_path, dribbling)) as node:
        host = host_of(node)
        with pytest.raises(NodeprovError, match="no answer"):
            host.hold(plain("sh", "echo held; cat"))
        host.close()
    assert time.monotonic() - began < 10


GREETINGS = {
    "lines without end": b"Welcome!\r\n" * 1000,
    "one line without end": b"x" * 10_000,
    "escapes without end": ESCAPES * 500,
    "a page": b"HTTP/1.1 400 Bad Request\r\n\r\n<html>" + ESCAPES + b"\n" * 200,
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS.keys())
def test_what_is_no_ssh_server_is_told_so(tmp_path: Path, greeting: bytes) -> None:
    with (
        answering(HostileNode(tmp_path, silent, greeting=greeting)) as node,
        pytest.raises(NodeprovError) as caught,
    ):
        host_of(node, connect_timeout_seconds=30).ask([PresentAt("/x")])
    assert "what answers is not an SSH server" in caught.value.message
    assert "try: ssh" in caught.value.hint
    assert "Traceback" not in str(caught.value)


def test_a_banner_and_a_shell_that_talk_garbage_do_not_matter(tmp_path: Path) -> None:
    def answer(channel: Any, script: str) -> None:
        channel.sendall(ESCAPES * 100 + b"\n@nodeprov AAAA\n")
        channel.sendall_stderr(ESCAPES * 100 + b"\n")
        framing(b"")(channel, script)

    with answering(HostileNode(tmp_path, answer, banner=ESCAPES * 10)) as node:
        host = host_of(node)
        assert host.ask([LinkAt("/x")]) == [None]
        host.close()


BODIES = {
    "nothing": b"",
    "escapes": ESCAPES,
    "a line": b"x\n",
    "lines": b"\n" * 50,
    "JSON of another form": b"[]\n[]\n[]\n[]\n",
    "JSON without items": b"{}\n{}\n{}\n{}\n",
    "JSON that nests without end": b"[" * 100_000 + b"\n",
    "JSON of words": b'{"items": "abc"}\n' * 4,
    "a number of 5000 digits": b"9" * 5000 + b"\n",
    "a mode that is none": b"rw x y\n",
    "separators": b"|||\n\n\n  \n|",
}
QUERIES: Sequence[Query[Any]] = (
    FileAt("/x"),
    LinkAt("/x"),
    TreeAt("/x"),
    PresentAt("/x"),
    ClusterQuery(settings().cluster, ("gvisor",)),
    NodePodsQuery(settings(), "worker1"),
)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_an_answer_of_any_form_is_understood_or_refused_in_words(
    node_that_says: Any, query: Query[Any], body: bytes
) -> None:
    try:
        node_that_says(body).ask([query])
    except NodeprovError as error:
        refusal = error
    else:
        return
    assert refusal.hint
    assert refusal.where == "worker1"
    assert "\n" not in refusal.message


@pytest.fixture
def node_that_says() -> Any:
    """A host whose shell gives an answer of its own: no network is needed for that."""

    class Saying(LocalHost):
        def __init__(self, body: bytes) -> None:
            super().__init__("worker1")
            self._body = body

        def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Any:
            output = super().execute("base64 -w 0", self._body + b"\n0", timeout_seconds)
            return replace(output, stdout=b"@nodeprov " + output.stdout + b"\n")

    return Saying


def _peak_kib(answer: multiprocessing.SimpleQueue[int], port: int, identity: str, known_hosts: str) -> None:
    """Ask a node that floods; tell how much memory it took."""
    said = Ssh("127.0.0.1", user="root", port=port, identity_file=identity, known_hosts=known_hosts)
    host = SshHost("worker1", said)
    forget_peak()
    before = peak_kib()
    with pytest.raises(NodeprovError, match=CUT):
        host.ask([PresentAt("/x")])
    host.close()
    answer.put(peak_kib() - before)


@pytest.mark.parametrize("stderr", [False, True], ids=["stdout", "stderr"])
def test_a_gigabyte_of_output_takes_bounded_memory(tmp_path: Path, stderr: bool) -> None:
    spawn = multiprocessing.get_context("spawn")
    answer: multiprocessing.SimpleQueue[int] = spawn.SimpleQueue()
    with answering(HostileNode(tmp_path, flooding(1, stderr=stderr))) as node:
        where = (node.port, str(node.identity), str(node.known_hosts))
        run = spawn.Process(target=_peak_kib, args=(answer, *where))
        run.start()
        run.join()
    assert run.exitcode == 0
    assert answer.get() < 3 * LARGEST_OUTPUT_BYTES >> 10


@pytest.mark.parametrize("stream", [1, 2])
def test_a_program_of_this_machine_that_prints_without_end_is_ended(stream: int) -> None:
    with pytest.raises(NodeprovError, match=CUT):
        run_program(["sh", "-c", f"exec cat /dev/zero >&{stream}"], timeout_seconds=300)


# What is shown


def is_plain(text: str) -> bool:
    return all(char == "\n" or (char.isprintable() and char != "\N{RIGHT-TO-LEFT OVERRIDE}") for char in text)


COMMANDS = (
    ("plan", "worker1"),
    ("plan", "worker1", "--verbose"),
    ("plan", "worker1", "-vv"),
    ("plan", "worker1", "--json"),
    ("doctor", "worker1"),
    ("install", "worker1", "--yes"),
    ("uninstall", "worker1", "--yes"),
    ("support", "worker1", "--out", "x.tar.gz"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_lets_a_node_command_the_terminal(tmp_path: Path, command: tuple[str, ...]) -> None:
    with answering(HostileNode(tmp_path, saying(ESCAPES * 3, ESCAPES + b"\nhint: rm -rf /\n", 1))) as node:
        argv = [sys.executable, "-m", "nodeprov", *command, "-i", str(node.inventory(tmp_path))]
        ended = run_program(argv, environment={"PYTHONPATH": str(HERE)}, folder=tmp_path, timeout_seconds=120)
    said = ended.stdout.decode() + ended.stderr.decode()
    assert ended.returncode == 1
    assert is_plain(said.replace("\n", ""))
    assert "Traceback" not in said
    assert "\nhint: rm" not in said
    if command[0] != "support":
        assert "\\x1b[2J" in said.replace("\\u001b", "\\x1b")
    if "--json" in command:
        assert json.loads(ended.stdout)["errors"]


HOSTILE_PLAN = Plan(
    "worker1",
    INSTALL,
    (
        Sandbox(f"a sandbox runs {TEXT}", TEXT),
        Swap((), Restart(f"containerd{TEXT}.service", (TEXT,), (TEXT,)), Serving(TEXT)),
        Drain((f"default/{TEXT}",)),
    ),
    notes=(f"node: {TEXT}",),
)
SHOWN = {
    "a plan": lambda: visible(plan_text(HOSTILE_PLAN)),
    "a line of progress": lambda: visible(str(event_text(Event(HOSTILE_PLAN.parts[0], "done", TEXT)))),
    "an outcome": lambda: visible(
        outcome_text(Outcome(HOSTILE_PLAN, error=NodeprovError(TEXT, TEXT, where=TEXT), left=(TEXT,)))
    ),
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN.keys())
def test_names_that_a_node_gives_are_shown_as_they_are_spelled(shown: Any) -> None:
    assert is_plain(shown())
    assert "\\x1b" in shown()
    shown().encode()


def test_what_is_printed_is_what_is_visible(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_plans([HOSTILE_PLAN])
    output.show_outcomes([Outcome(HOSTILE_PLAN, left=(TEXT,), error=NodeprovError(TEXT))])
    output.print_error(NodeprovError(TEXT, TEXT, where=TEXT))
    output.say(TEXT)
    output.show_text(TEXT)
    output.show_json({"plans": [TEXT]})
    printed = capsys.readouterr()
    assert is_plain(printed.out)
    assert is_plain(printed.err)


def test_tables_are_plain_too() -> None:
    told = io.StringIO()
    console = Console(file=told, width=100, color_system=None)
    console.print(findings_table(["worker1"], [Finding("worker1", Severity.AGAINST, TEXT, TEXT, TEXT)]))
    console.print(results_table([CheckResult("worker1", "check", TEXT, "failed", TEXT, 0.1)]))
    assert is_plain(told.getvalue())
    assert "\\x1b" in told.getvalue()


def test_the_archive_of_a_hostile_node_names_its_files_by_itself(tmp_path: Path) -> None:
    with answering(HostileNode(tmp_path, framing(ESCAPES))) as node:
        argv = [sys.executable, "-m", "nodeprov", "support", "worker1", "--out", "x.tar.gz"]
        run_program(
            [*argv, "-i", str(node.inventory(tmp_path))],
            environment={"PYTHONPATH": str(HERE)},
            folder=tmp_path,
            timeout_seconds=120,
        )
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        names = archive.getnames()
    assert all(is_plain(name) and ".." not in name for name in names)
