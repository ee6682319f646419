"""Options that commands share are in each of them for which they make sense; for the others the table says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nodeprov.cli.app import load_command
from nodeprov.cli.main import COMMANDS

CANARIES = ("canary start", "canary promote", "canary abort")
CHANGING = ("install", "adopt", "rollback", "gc", "uninstall", "apply", *CANARIES)
READING = ("doctor", "verify", "status", "compat-log", "inventory", "rbac")
INSTALLING = ("plan", "install", "adopt", "canary start", "canary promote")
CLUSTER = ("cluster install", "cluster run", "cluster status", "cluster uninstall")
NODES = ("nodes", "--all", "--selector", "--limit")
SKIPPING = ("--skip-unready", "--skip-unreachable")
WAVES = ("--canary", "--soak", "--max-unavailable", "--max-failures", "--allow-two-zones", "--window")
SHOWN = ("--json", "--quiet", "--verbose", "--no-color", "--timings")

SHARED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (NODES, ("plan", "probe", *CHANGING, *READING)),
    (SKIPPING, ("plan", *CHANGING)),
    (WAVES, ("plan", *CHANGING)),
    (("--report", "--events"), CHANGING),
    (("--yes",), (*CHANGING, "calibrate", "cluster install", "cluster run", "cluster uninstall")),
    (("--handler",), ("plan", "install", "adopt", "rollback", "gc", "uninstall", *READING, "probe")),
    (("--lock", "--from"), INSTALLING),
    (
        ("--activate-pending",),
        ("plan", "install", "adopt", "rollback", "uninstall", "canary start", "canary promote"),
    ),
    (("--inventory", "--set"), ("plan", "probe", "try", "calibrate", "support", *CHANGING, *READING, *CLUSTER)),
    (("--ask-sudo-password",), ("plan", "probe", "try", "calibrate", "support", *CHANGING, *READING, *CLUSTER)),
    (SHOWN, ("plan", "probe", *CHANGING, *READING, *CLUSTER)),
)
"""Options, and the commands to which they belong."""
APART = {
    **{("apply", option): "a part of the plan that was saved" for option in (*NODES, "--set")},
    ("apply", "--yes"): "it does not ask: the plan was shown when it was saved",
    **{(each, "--handler"): "it is about whole nodes" for each in ("compat-log", "inventory", "rbac")},
    **{(each, "--ask-sudo-password"): "it connects to no node" for each in ("inventory", "rbac")},
    **{(each, "--timings"): "it connects to no node" for each in ("inventory", "rbac")},
    **{("rbac", option): "it prints the manifest alone" for option in ("--quiet", "--verbose", "--no-color")},
}
"""Where one of them is not, and why."""


def options_of(name: str) -> set[str]:
    top, *below = name.split()
    command: Any = load_command(top)
    for each in below:
        command = command.commands[each]
    return {option for each in command.params for option in (*each.opts, each.name)}


def pairs() -> Iterator[tuple[str, str]]:
    for options, commands in SHARED:
        yield from ((command, option) for command in commands for option in options)


@pytest.mark.parametrize("command", sorted({command for command, _ in pairs()}))
def test_a_command_has_the_options_that_it_shares(command: str) -> None:
    assert command.split()[0] in COMMANDS
    assert {*APART} <= {*pairs()}
    there = options_of(command)
    missing = [option for each, option in pairs() if each == command and option not in there]
    assert missing == [option for each, option in pairs() if each == command and (each, option) in APART]
