"""The command line: arguments in, exit code out."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Mapping

import nodeprov
from nodeprov.cli.ending import DONE, WRONG, end_on_signals, leave

PURPOSE = str(nodeprov.__doc__)
COMPLETION = "_NODEPROV_COMPLETE"
"""The variable by which a shell asks for completions."""

COMMANDS: Mapping[str, str] = {
    "init": "Write a first inventory by asking questions, or from the cluster's nodes with --from-cluster.",
    "plan": "Show what an install or an uninstall would change. Nothing is written on any node.",
    "install": "Install what the inventory wants, one node after the other, and test it; undo it on any error.",
    "uninstall": "Remove all that nodeprov installed. Refused while sandboxes run, unless --drain evicts them.",
    "verify": "Check with testinfra that nodes are still as installed, and that a pod runs in a sandbox.",
    "doctor": "Check nodes for what would block an install, and give recommendations. Nothing is changed.",
    "apply": "Carry out a saved plan without asking. Refused if any of its nodes has changed since.",
    "support": "Write an archive for a bug report: a node's state, journals and settings, without secrets.",
    "status": "Show what is installed, how the last run ended, and whether a node rolled back on its own.",
    "image": "Write the image of the test pod to a file, for a registry of your own.",
    "inventory": "Show the settings of each node, and where each comes from. Nothing is connected to.",
    "rbac": "Print the minimal RBAC roles for nodeprov, as YAML, for the nodes and names of the inventory.",
    "lab": "Machines to try nodeprov on.",
}
"""Every command, and its line in the overview."""


def module_of(command: str) -> str:
    """Name the module of a command, which is imported when the command is called."""
    return "nodeprov_lab.cli" if command == "lab" else f"nodeprov.cli.{command}"


def main() -> None:
    """Run the command line."""
    # What is imported stays: to look for garbage in it, now and at the end, takes a fifth of a short command.
    gc.set_threshold(100_000)
    end_on_signals()
    for stream in (sys.stdout, sys.stderr):  # a terminal need not know every letter that a node may say
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = exit_code(sys.argv[1:])
    gc.freeze()
    leave(code)


def exit_code(arguments: list[str]) -> int:
    """Run a command, or show the overview; return what the process ends with."""
    if arguments in ([], ["--help"]) and COMPLETION not in os.environ:
        from nodeprov.cli.overview import show_overview

        show_overview()
        return DONE if arguments else WRONG
    from nodeprov.cli.app import run  # with typer, which takes longer than the overview

    return run(arguments)
