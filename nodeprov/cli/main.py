"""The command line: arguments in, exit code out."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Mapping

from nodeprov.cli.cancellation import end_on_signals
from nodeprov.cli.exit_codes import DONE, WRONG
from nodeprov.cli.output import leave

PURPOSE = "Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH."
COMPLETION = "_NODEPROV_COMPLETE"
"""The variable by which a shell asks for completions."""

COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": (
        "nodeprov.cli.init",
        "Write a first inventory: by asking, or with --from-cluster from the cluster's nodes; change no machine.",
    ),
    "plan": (
        "nodeprov.cli.plan",
        "Show what an install, or an uninstall, would change; write nothing on any node.",
    ),
    "install": (
        "nodeprov.cli.install",
        "Bring nodes to what the inventory wants, one after the other, and prove it; undo on any error.",
    ),
    "uninstall": (
        "nodeprov.cli.uninstall",
        "Take everything back; refuse while a sandbox needs it, or drain the node of them.",
    ),
    "verify": (
        "nodeprov.cli.verify",
        "Check with testinfra that nodes are as they were installed, and that a pod is sandboxed there.",
    ),
    "doctor": (
        "nodeprov.cli.doctor",
        "Examine nodes: what stands against an install, and what is worth an advice; change nothing.",
    ),
    "apply": (
        "nodeprov.cli.apply",
        "Carry out a saved plan without asking; refuse if any of its nodes has changed since.",
    ),
    "support": (
        "nodeprov.cli.support",
        "Write an archive for a bug report: what is on a node, its journals and settings, without secrets.",
    ),
    "status": (
        "nodeprov.cli.status",
        "Say what is installed on nodes, how their last run ended, and what they have done by themselves.",
    ),
    "image": ("nodeprov.cli.image", "Write the image of the pods that prove a node, for a registry."),
    "inventory": (
        "nodeprov.cli.inventory",
        "Show the settings of each node and where each came from; connect to nothing.",
    ),
    "rbac": (
        "nodeprov.cli.rbac",
        "Print the least that nodeprov needs in the cluster as YAML, for the nodes and names of the inventory.",
    ),
    "lab": ("nodeprov_lab.cli", "Machines to try nodeprov on."),
}
"""Every command: its module, which is imported when the command is called, and its line in the overview."""


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
