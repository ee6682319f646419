"""The command line: arguments in, exit code out, and the signals that end or cancel a command."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

import nodeprov

if TYPE_CHECKING:
    from nodeprov.engine.context import Cancellation

PURPOSE = str(nodeprov.__doc__)
COMPLETION = "_NODEPROV_COMPLETE"
"""The variable by which a shell asks for completions."""

COMMANDS: Mapping[str, str] = {
    "init": "Write a first inventory by asking questions, or from the cluster's nodes with --from-cluster.",
    "plan": "Show what an install, a rollback or an uninstall would change. Nothing is written on any node.",
    "install": "Install what the inventory wants, node by node or in waves, and test it; undo it on any error.",
    "adopt": "Take over what somebody else installed, by hand or by another tool. Its sandboxes keep running.",
    "rollback": "Put the generation before in force again, from what is on the node, without network or cluster.",
    "canary": "Try another release beside the main one on some nodes; make it the main one, or take it away.",
    "gc": "Remove releases and generations that nothing needs; show what is kept, and why.",
    "uninstall": "Remove all that nodeprov installed. Refused while sandboxes run, unless --drain evicts them.",
    "verify": "Check with testinfra that nodes are still as installed, and that a pod runs in a sandbox.",
    "doctor": "Check nodes for what would block an install, and give recommendations. Nothing is changed.",
    "check": "Show what the pods of manifests meet in a sandbox: what will not start, and what works differently.",
    "probe": "Ask on nodes what a workload meets in the sandbox, in pods with it and without it.",
    "try": "Run a workload's pod once more in the sandbox, and beside it under runc; compare, and remove both.",
    "explain": "Explain errors of sandboxed pods: the cause, what shows it, and what to do.",
    "calibrate": "Measure what the sandbox adds to pods, and propose the RuntimeClass's overhead.",
    "compat-log": "Show which calls of programs the sandboxes did not know: by workload, and in how many pods.",
    "apply": "Carry out a saved plan without asking. Refused if anything that it starts from differs now.",
    "support": "Write an archive for a bug report: a node's state, journals and settings, without secrets.",
    "status": "Compare what was installed with the disk, containerd and the cluster.",
    "history": "Show which runs from this machine changed nodes: when, who, what, and how each ended.",
    "image": "Write the image of the test pod, the engine or a release to a file, for a registry.",
    "cluster": "Have the cluster install its nodes itself: without SSH, also those that join later.",
    "inventory": "Show the settings of each node, and where each comes from. Nothing is connected to.",
    "fetch": "Bring the releases that the inventory and its lock want into this machine's cache.",
    "bundle": "Write releases, their lock, the test pod's image and nodeprov's wheels into one file.",
    "push": "Push a bundle's images, lock and wheels to a registry of your own.",
    "cache": "The releases that this machine keeps.",
    "lock": "Write the digests of a release, and who confirms them, into a file for review; or compare it.",
    "sign": "Sign a lock, a bundle or a saved plan with an SSH key; the inventory lists the accepted signers.",
    "policy": "Who must run in a sandbox: admission policies of the cluster, audited before they are enforced.",
    "rbac": "Print the minimal RBAC roles for nodeprov, as YAML, for the nodes and names of the inventory.",
    "lab": "Machines to try nodeprov on.",
}
"""Every command, and its line in the overview."""
PANELS: Mapping[str, tuple[str, ...]] = {
    "First steps": ("init", "inventory", "doctor", "plan", "install", "lab"),
    "Change nodes": ("apply", "adopt", "canary", "rollback", "gc", "uninstall"),
    "Look at nodes": ("status", "verify", "history", "support"),
    "Workloads": ("check", "probe", "try", "explain", "compat-log", "calibrate", "policy"),
    "The cluster": ("rbac", "cluster"),
    "Releases": ("fetch", "cache", "lock", "sign", "bundle", "push", "image"),
}
"""The commands by tasks, as the overview shows them."""

_MODULES = {
    "apply": "plan",
    "doctor": "diagnosis",
    "install": "plan",
    "uninstall": "plan",
    "verify": "diagnosis",
}
"""The modules of commands whose names they do not have."""

DONE, FAILED, WRONG, PENDING = 0, 1, 2, 3
EXIT_CODES = """\
Exit codes:
0  done, or nothing to do
1  failed, interrupted or not confirmed: the failed node was rolled back, earlier ones are done
2  the command line or the inventory is wrong
3  plan: changes are pending; install: also, on nodes for which the window had no time;
   status: a run is in progress, or did not finish
4  a node was left between two states; look at the report"""

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Where output cannot be written to: a disk that is full, a terminal that is gone."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
interrupted = threading.Event()
"""Set: a signal has ended what was being read."""


def name_in_code(command: str) -> str:
    """Name the function of a command, and its module if it has one of its own."""
    return "trial" if command == "try" else command.replace("-", "_")  # which is a word of Python


def module_of(command: str) -> str:
    """Name the module of a command, which is imported when the command is called."""
    return (
        "nodeprov_lab.cli" if command == "lab" else f"nodeprov.cli.{_MODULES.get(command, name_in_code(command))}"
    )


def main() -> None:
    """Run the command line."""
    # What is imported stays: to look for garbage in it, now and at the end, takes a fifth of a short command.
    gc.set_threshold(100_000)
    sys.setswitchinterval(0.0005)
    _open_what_is_closed()
    for each in SIGNALS:  # what is being read may end anywhere: nothing is being changed
        signal.signal(each, _interrupt)
    for stream in (sys.stdout, sys.stderr):  # a terminal may not know every letter that a node prints
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = _heard(sys.argv[1:])
    gc.freeze()
    leave(code)


def _open_what_is_closed() -> None:
    """Have somewhere to write for who was started without: a file that is opened would have its number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115  as long as the process


def _heard(arguments: list[str]) -> int:
    """Run a command; what cannot be written, a help for example, ends it with FAILED."""
    try:
        return exit_code(arguments)
    except BrokenPipeError:  # nobody reads it any more
        return FAILED
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        with suppress(OSError):
            sys.stderr.write(f"the result cannot be written: {error.strerror}\nhint: df -h\n")
        return FAILED


def exit_code(arguments: list[str]) -> int:
    """Run a command, or show the overview; return what the process ends with."""
    if arguments in ([], ["--help"]) and COMPLETION not in os.environ:
        from nodeprov.cli.overview import show_overview

        show_overview()
        return DONE if arguments else WRONG
    from nodeprov.cli.app import run  # with typer, which takes longer than the overview

    return run(arguments)


@contextmanager
def cancelled_by_signals(on_signal: Callable[[Cancellation], None]) -> Iterator[Cancellation]:
    """Have a signal interrupt, where that is safe, in place of ending the process; call `on_signal` too."""
    from nodeprov.engine.context import Cancellation  # with all of the engine, which few commands wait for

    cancellation = Cancellation()

    def cancel(_number: int, _frame: object) -> None:
        cancellation.interrupt()
        on_signal(cancellation)

    before = {each: signal.signal(each, cancel) for each in SIGNALS}
    try:
        yield cancellation
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupt(number: int, _frame: object) -> None:
    interrupted.set()
    raise KeyboardInterrupt(signal.Signals(number).name)


def leave(code: int) -> NoReturn:
    """End with a code, even if the output can no longer be written: Python would end with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # A KeyboardInterrupt that leaves an exec(), as in the making of a dataclass, counts for ever, were it caught:
    # run by -m, CPython ends itself by SIGINT then, whatever the code. The next exec() has it forgotten
    # (Python/pythonrun.c).
    exec("")  # noqa: S102
    sys.exit(code)
