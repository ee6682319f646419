"""The command line as a process: what it prints where, its exit codes, and signals. No node is reached."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess  # noqa: TID251  a signal is sent to it
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer  # noqa: TID251  as the command line has it
from rich.text import Text

from nodeprov import __version__
from nodeprov.cli.app import app
from nodeprov.cli.main import COMMANDS as ALL
from nodeprov.cli.output import print_error
from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov.reports.outcome import errors_json
from tests.support.command_line import INVENTORY, NODEPROV, nodeprov, paths, said
from tests.support.samples import golden

COMMANDS = ("plan", "install", "uninstall", "verify", "doctor")
OTHERS = ("apply", "history", "image", "rbac", "support")


@pytest.mark.parametrize("command", ["", *COMMANDS, *OTHERS])
def test_the_help_of_every_command_has_examples_and_exit_codes(command: str) -> None:
    output = nodeprov(*filter(None, [command, "--help"]))
    assert output.returncode == 0
    assert "Exit code" in output.text
    assert command == "" or "Examples:" in output.text
    golden(
        f"cli/help{command and '-'}{command}.txt", "\n".join(line.rstrip() for line in output.text.splitlines())
    )


def every_help(name: str, command: Any, context: Any) -> Iterator[tuple[str, str, str]]:
    """List what the help says of the values and of the meaning of every option of a command and of those in it."""
    for each in command.get_params(context):
        yield f"{name} {each.name}", each.display_type_rich(ctx=context) or "", each.help or ""
    for below, inner in getattr(command, "commands", {}).items():
        yield from every_help(f"{name} {below}", inner, context)


@pytest.mark.parametrize("name", ALL)
def test_no_help_shows_types_of_python_or_loses_a_word_in_brackets(name: str) -> None:
    group: Any = typer.main.get_command(app)
    context = group.make_context("nodeprov", [name])
    shown = [*every_help(name, group.resolve_command(context, [name])[1], context)]
    assert [each for each in shown if re.search("bool|str|int|list|Path", each[1])] == []
    assert [each for each in shown if Text.from_markup(each[2]).plain != each[2]] == []


@pytest.mark.parametrize("command", ["", "up", "down", "status", "ssh", "kubectl"])
def test_the_help_of_the_lab_has_examples_too(command: str) -> None:
    output = nodeprov("lab", *filter(None, [command, "--help"]))
    assert output.returncode == 0
    assert f"  nodeprov lab {command}" in output.text
    assert "Exit code" in output.text


def test_the_version_is_printed() -> None:
    output = nodeprov("--version")
    assert (output.returncode, output.text) == (0, f"nodeprov {__version__}\n")


def test_the_command_that_is_installed_is_the_command_line() -> None:
    """Not `python -m nodeprov`, by which all other tests call it."""
    output = run_program([f"{sys.prefix}/bin/nodeprov", "--version"], environment=paths())
    assert (output.returncode, output.text) == (0, f"nodeprov {__version__}\n"), output.said


USAGE = {
    "no command": ((), ""),
    "no node": (("install",), "no node is named\nhint: name some of worker1, worker2, or give --all"),
    "an unknown command": (("plann", "worker1"), "no such command 'plann'"),
    "an unknown option": (("plan", "--jsom"), "no such option: --jsom"),
    "all nodes and a name": (("plan", "worker1", "--all"), "--all is every node, and worker1 is named besides"),
    "a selector that is none": (("verify", "-l", "zone>1"), "-l/--selector: 'zone>1' is not a selector"),
    "a label that no node has": (("status", "-l", "zone=a"), "no node of"),
    "an unknown node": (("plan", "worker3"), "is called worker3\nhint: did you mean worker"),
    "an inventory that is not there": (("plan", "worker1", "-i", "x.toml"), "cannot read the inventory x.toml"),
    "a saved plan that is not there": (("apply", "x.plan"), "cannot read the plan x.plan: No such file"),
    "a saved plan that is none": (("apply", "nodeprov.toml"), "nodeprov.toml: this is not a saved plan"),
    "support for several nodes": (("support", "worker*"), "worker* is 2 nodes"),
    "an archive over a file that exists": (
        ("support", "worker1", "--out", "nodeprov.toml"),
        "nodeprov.toml exists, and is left as it is",
    ),
    "an image for another architecture": (("image", "x.tar", "--architecture", "s390x"), "x86_64 or aarch64"),
    "an image over a file that exists": (("image", "nodeprov.toml"), "nodeprov.toml exists, and is left as it is"),
    "the last 0 runs": (("history", "--last", "0"), "--last is 0, and not a number of runs"),
    "a purge of one handler": (("uninstall", "worker1", "--purge", "--handler", "x"), "hint: leave --handler out"),
    "drain of a rollback": (("plan", "worker1", "--rollback", "--drain"), "hint: leave --drain out"),
}


@pytest.mark.parametrize(("arguments", "expected"), USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_ends_with_2_and_says_what_to_type(
    folder: Path, arguments: tuple[str, ...], expected: str
) -> None:
    output = nodeprov(*arguments, folder=folder)
    assert output.returncode == 2
    assert expected in said(output)


@pytest.mark.parametrize("arguments", [each for each, _ in USAGE.values() if each], ids=" ".join)
def test_wrong_usage_is_json_too_when_that_is_asked_for(folder: Path, arguments: tuple[str, ...]) -> None:
    output = nodeprov(*arguments, "--json", folder=folder)
    assert output.returncode == 2
    value = json.loads(output.stdout)
    assert (value["schema"], len(value["errors"])) == (1, 1)
    assert value["errors"][0]["message"] in said(output)


def test_every_fault_of_an_inventory_is_an_error_with_its_line(folder: Path) -> None:
    (folder / "nodeprov.toml").write_text('[release]\nversion = 1\n[nodes.worker1]\nport = "x"\n')
    output = nodeprov("plan", "worker1", "--json", folder=folder)
    errors = json.loads(output.stdout)["errors"]
    assert [error["where"].rpartition(":")[2] for error in errors] == ["2", "4"]
    assert output.returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_node_that_cannot_be_reached_ends_with_1(folder: Path, command: str) -> None:
    output = nodeprov(command, "worker1", folder=folder)
    assert output.returncode == 1
    assert "worker1 (127.0.0.1): cannot be reached" in said(output)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("plan", "plans"),
        ("install", "outcomes"),
        ("uninstall", "outcomes"),
        ("verify", "findings"),
        ("doctor", "findings"),
    ],
)
def test_the_errors_of_every_node_are_in_the_json(folder: Path, command: str, result: str) -> None:
    output = nodeprov(command, "*", "--json", folder=folder)
    value = json.loads(output.stdout)
    assert value[result] == []
    assert [error["where"] for error in value["errors"]] == ["worker1 (127.0.0.1)", "worker2 (127.0.0.2)"]
    assert all(error["message"] and error["hint"] for error in value["errors"])
    assert output.returncode == 1


def test_quiet_says_errors_and_nothing_else(folder: Path) -> None:
    output = nodeprov("install", "worker1", "--quiet", folder=folder)
    assert said(output).splitlines() == [
        "worker1 (127.0.0.1): cannot be reached: Connection refused",
        "hint: are address and port right? try: ssh -p 9 root@127.0.0.1",
    ]
    assert output.stdout == b""


def test_where_no_node_can_be_read_there_is_no_table(folder: Path) -> None:
    output = nodeprov("doctor", folder=folder)
    assert (output.returncode, output.stdout) == (1, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_come_out_for_every_shell_without_asking_which(shell: str) -> None:
    output = nodeprov("--show-completion", shell)
    assert output.returncode == 0
    assert f"_NODEPROV_COMPLETE=complete_{shell}" in output.text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_is_installed_for_the_user(tmp_path: Path, shell: str) -> None:
    output = nodeprov("--install-completion", shell, HOME=str(tmp_path))
    assert output.returncode == 0
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert f"complete_{shell}" in written


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_bash_completes_by_the_script(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "nodeprov"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {" ".join(NODEPROV)} "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(nodeprov --show-completion bash)"; COMP_WORDS=(nodeprov plan w); COMP_CWORD=2; '
        '_nodeprov_completion nodeprov; echo "${COMPREPLY[@]}"'
    )
    environment = {**paths(), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    assert run_program(["/bin/bash", "-c", script], environment=environment, folder=folder).text.split() == [
        "worker1",
        "worker2",
    ]


def test_the_password_of_a_mirror_is_shown_nowhere(folder: Path) -> None:
    mirror = "release.base_url=https://me:s3cret-pw@127.0.0.1:9/releases"
    for arguments in (("inventory",), ("inventory", "--json"), ("plan", "worker1", "--json", "--verbose")):
        output = nodeprov(*arguments, "--set", mirror, folder=folder)
        assert "s3cret-pw" not in output.text + said(output)


def test_the_password_of_a_mirror_is_not_in_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = NodeprovError("refused", where="https://me:s3cret-pw@mirror/x")
    print_error(error)
    assert "https://(not shown)@mirror/x: refused" in capsys.readouterr().err
    assert errors_json([error])[0]["where"] == "https://(not shown)@mirror/x"


def test_the_table_of_exit_codes_is_that_of_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    table = page.partition("## Exit codes")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and line[2].isdigit()]
    shown = nodeprov("--help", COLUMNS="200").text
    for row in rows:
        code, meaning = (each.strip(" `") for each in row.strip("|").split("|"))
        said = next(line for line in shown.splitlines() if line.strip().startswith(f"{code}  "))
        assert meaning.replace("`", "")[:6] in said
    assert len(rows) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_with_1(folder: Path, number: signal.Signals) -> None:
    # A server that accepts and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        text = INVENTORY.replace("port = 9", f"port = {port}").replace("_seconds = 1", "_seconds = 30")
        (folder / "nodeprov.toml").write_text(text)
        process = subprocess.Popen(
            [*NODEPROV, "plan", "worker1", "--json"],
            cwd=folder,
            env={**os.environ, **paths()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connection, _ = server.accept()
        with connection:
            time.sleep(0.3)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"interrupted; nothing was changed" in stderr
    assert b"Traceback" not in stderr
    assert json.loads(stdout)["errors"][0]["message"] == "interrupted; nothing was changed"


def test_an_interruption_while_a_class_is_made_does_not_change_the_code(tmp_path: Path) -> None:
    """CPython would kill itself by SIGINT where it was run by -m."""
    (tmp_path / "interrupted.py").write_text(
        "from nodeprov.cli.main import leave\n"
        "try:\n    exec('raise KeyboardInterrupt')\nexcept KeyboardInterrupt:\n    leave(4)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{paths()['PYTHONPATH']}"}
    ended = subprocess.run([sys.executable, "-m", "interrupted"], env=environment, timeout=60)
    assert ended.returncode == 4
