"""What a command imports: no more than it uses, for each import takes time.

`script/benchmark start` measures it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nodeprov.cli.app import load_command
from nodeprov.cli.main import COMMANDS, module_of
from nodeprov.hosts.local import run_program
from tests.support.command_line import paths

INVENTORY = """\
[release]
version = "20260905.0"
[cluster]
enabled = false
[ssh]
connect_timeout_seconds = 1
[nodes.worker1]
address = "127.0.0.1"
port = 9
"""
IMPORTS = """
import json, sys
try:
    from nodeprov.cli.main import main
    main()
finally:
    print("imported:" + json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
HEAVY = {
    "attr",
    "cryptography",
    "fabric",
    "jinja2",
    "markdown_it",
    "nodeprov.diagnosis",
    "nodeprov.engine",
    "nodeprov.hosts",
    "nodeprov.plan",
    "nodeprov.reports",
    "nodeprov_lab",
    "paramiko",
    "platformdirs",
    "pydantic",
    "pytest",
    "requests",
    "rich.console",
    "testinfra",
    "tomlkit",
}
OF_VERIFY = {"_pytest", "nodeprov.diagnosis", "nodeprov_lab", "pytest", "testinfra"}


def imported(folder: Path, *arguments: str, **environment: str) -> set[str]:
    """Run a command in a process of its own, and list all modules that it has imported."""
    (folder / "nodeprov.toml").write_text(INVENTORY)
    output = run_program(
        [sys.executable, "-c", IMPORTS, *arguments],
        environment={**paths(), "NODEPROV_INVENTORY": "", **environment},
        folder=folder,
        timeout_seconds=60,
    )
    _, _, names = output.stderr.decode().rpartition("imported:")
    return set(json.loads(names))


@pytest.mark.parametrize(
    "arguments", [["--version"], ["inventory"], ["inventory", "worker1", "--json"]], ids=" ".join
)
def test_a_command_that_reads_no_node_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    assert imported(tmp_path, *arguments) & HEAVY == set()


@pytest.mark.parametrize("line", ["rbac", "image proof.tar", "init new.toml --node a --version 20260905.0 --yes"])
def test_a_command_that_reaches_no_node_imports_nothing_that_would(tmp_path: Path, line: str) -> None:
    reaching = {"cryptography", "fabric", "nodeprov.engine", "nodeprov_lab", "paramiko", "pytest", "requests"}
    assert imported(tmp_path, *line.split()) & reaching == set()


@pytest.mark.parametrize("line", ["nodeprov ", "nodeprov plan w", "nodeprov lab ", "nodeprov install --"])
def test_a_completion_imports_nothing_heavy(tmp_path: Path, line: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    found = imported(tmp_path, _NODEPROV_COMPLETE="complete_bash", **words)
    assert found & (HEAVY - ({"nodeprov_lab", "nodeprov.hosts"} if "lab" in line else set())) == set()


def test_the_overview_imports_no_command_and_not_even_typer(tmp_path: Path) -> None:
    found = imported(tmp_path, "--help")
    assert found & ((HEAVY | {"typer"}) - {"attr", "rich.console"}) == set()
    assert found & {module_of(name) for name in COMMANDS} == set()


@pytest.mark.parametrize("command", ["plan", "install", "uninstall", "status", "doctor"])
def test_nothing_but_a_verification_imports_pytest_or_testinfra_and_no_command_the_lab(
    tmp_path: Path, command: str
) -> None:
    found = imported(tmp_path, command, "worker1")
    assert "paramiko" in found
    assert found & (OF_VERIFY - ({"nodeprov.diagnosis"} if command in ("status", "doctor") else set())) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_in_the_overview_is_the_first_sentence_of_its_own_help(name: str) -> None:
    command = load_command(name)
    first = command.help.partition("\n\n")[0].replace("\n", " ")
    assert first.removesuffix(".") == COMMANDS[name].removesuffix(".")
