"""The command line: arguments in, exit code out."""

from __future__ import annotations

import importlib
import io
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  the one place
from typer.completion import get_completion_inspect_parameters, install_callback, show_callback  # noqa: TID251
from typer.exceptions import TyperException  # noqa: TID251

from nodeprov import __version__, inventory
from nodeprov.cli import apply as cli_apply
from nodeprov.cli import doctor as cli_doctor
from nodeprov.cli import image as cli_image
from nodeprov.cli import init as cli_init
from nodeprov.cli import inventory as cli_inventory
from nodeprov.cli import plan_commands as cli_commands
from nodeprov.cli import rbac as cli_rbac
from nodeprov.cli import status as cli_status
from nodeprov.cli import support as cli_support
from nodeprov.cli.cancellation import end_on_signals, interrupted
from nodeprov.cli.options import Login, Nodes, Source, Voice, Yes, examples, spread
from nodeprov.cli.output import (
    leave,
    print_error,
    say,
    show_errors,
    show_findings,
    show_plans,
    write_junit,
)
from nodeprov.cli.session import DONE, FAILED, PENDING, agreed, carry_out, complained, connected, load, opened
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.plan.action import INSTALL, UNINSTALL

INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""

EXIT_CODES = """\
Exit codes:
  0  done, or nothing to do
  1  failed, or interrupted: the node that failed is as before, those before it are done
  2  the command line or the inventory is wrong
  3  plan: changes are pending; status: a run is at work, or left something to finish
  4  a node was left between two states; look at the report"""

app = typer.Typer(
    help="Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
app.add_typer(cli_doctor.app)
app.add_typer(cli_apply.app)
app.add_typer(cli_support.app)
app.add_typer(cli_status.app)
app.command()(cli_init.init)
app.add_typer(cli_image.app)
app.add_typer(cli_inventory.app)
app.add_typer(cli_rbac.app)
app.add_typer(importlib.import_module("nodeprov_lab.cli").app, name="lab")  # a sibling
get_completion_inspect_parameters()  # makes typer know its shells


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def main() -> None:
    """Run the command line."""
    end_on_signals()
    for stream in (sys.stdout, sys.stderr):  # a terminal need not know every letter that a node may say
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Else paramiko prints tracebacks; we say what went wrong.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    ours = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    leave(_exit_code(as_json="--json" in ours))


def _exit_code(*, as_json: bool) -> int:
    """Run a command and say what went wrong, in words and, where JSON is asked for, as JSON."""
    try:
        code = app(prog_name="nodeprov", standalone_mode=False) or DONE
        if code != INTERRUPTED or not interrupted():
            return int(code)
        error = NodeprovError("interrupted; nothing was changed")
    except NodeprovError as raised:
        error = raised
    except TyperException as raised:
        error = _usage_error(raised)
    except typer.Abort:
        error = NodeprovError("not answered; nothing was changed")
    if error.message:
        print_error(error)
        if as_json:
            show_errors([error])
    return error.exit_code


def _usage_error(error: TyperException) -> NodeprovError:
    """Say what typer has found in the words of the house; nothing where it has shown the help already."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return UsageError("")
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return UsageError(
        message[:1].lower() + message[1:], f"{context.command_path if context else 'nodeprov'} --help"
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"nodeprov {__version__}")
        raise typer.Exit


@app.callback()
def nodeprov(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    _show: Annotated[
        Shell | None,
        typer.Option(
            "--show-completion", callback=show_callback, is_eager=True, help="Show a shell's completion and exit."
        ),
    ] = None,
    _install: Annotated[
        Shell | None,
        typer.Option(
            "--install-completion",
            callback=install_callback,
            is_eager=True,
            help="Install a shell's completion for this user and exit.",
        ),
    ] = None,
) -> None:
    """Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH."""


@app.command(
    epilog=examples(
        "nodeprov plan worker1",
        "nodeprov plan 'worker*' --inventory cluster.toml",
        "nodeprov plan worker1 --uninstall --drain",
        "nodeprov plan worker1 --commands > commands.txt",
        "nodeprov plan worker1 --out worker1.plan && nodeprov apply worker1.plan",
        codes="0: nothing to do, 1: something stands against it, 3: changes are pending",
    )
)
@spread
def plan(
    nodes: Nodes,
    source: Source,
    login: Login,
    voice: Voice,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Plan an uninstall.")] = False,
    drain: Annotated[bool, typer.Option("--drain", help="With --uninstall: evict sandboxed pods.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save it for `nodeprov apply FILE`.")
    ] = None,
    commands: Annotated[
        bool, typer.Option("--commands", help="Show every script that would run on a host, in order, too.")
    ] = False,
) -> None:
    """Show what an install, or an uninstall, would change; write nothing on any node."""
    if drain and not uninstall:
        raise UsageError("--drain is a part of an uninstall", "nodeprov plan NODE --uninstall --drain")
    whole = load(source)
    with connected(whole, inventory.select(whole, nodes), login, voice) as session:
        told = cli_commands.Told(session) if commands else None
        planned = session.plan_uninstall(drain=drain) if uninstall else session.plan_install()
        found = told.of(planned) if told else {}
    complained(planned)
    if out and not planned.errors:
        cli_apply.save(out, whole, planned.good, action=UNINSTALL if uninstall else INSTALL, drain=drain)
    if commands:
        cli_commands.show(planned, found, as_json=voice.as_json)
    else:
        show_plans([each.plan for each in planned.good], planned.errors, as_json=voice.as_json)
    if planned.errors:
        raise typer.Exit(FAILED)
    raise typer.Exit(PENDING if any(each.plan.pending for each in planned.good) else DONE)


@app.command(
    epilog=examples(
        "nodeprov install worker1",
        "nodeprov install 'worker*' --yes --json",
        codes="0: done, or nothing to do, 1: failed and the node is as before, 4: left between two states",
    )
)
@spread
def install(nodes: Nodes, source: Source, login: Login, voice: Voice, yes: Yes = False) -> None:
    """Bring nodes to what the inventory wants, one after the other, and prove it; undo on any error."""
    with opened(source, nodes, login, voice) as session:
        carry_out(session, agreed(session.plan_install(), voice, yes=yes), voice)


@app.command(
    epilog=examples(
        "nodeprov plan worker1 --uninstall",
        "nodeprov uninstall worker1 --drain",
        codes="0: done, or nothing to do, 1: failed and the node is as before, 4: left between two states",
    )
)
@spread
def uninstall(
    nodes: Nodes,
    source: Source,
    login: Login,
    voice: Voice,
    drain: Annotated[bool, typer.Option("--drain", help="Evict the sandboxed pods that still run.")] = False,
    yes: Yes = False,
) -> None:
    """Take everything back; refuse while a sandbox needs it, or drain the node of them."""
    with opened(source, nodes, login, voice) as session:
        carry_out(session, agreed(session.plan_uninstall(drain=drain), voice, yes=yes), voice)


@app.command(
    epilog=examples(
        "nodeprov verify 'worker*'",
        "nodeprov verify 'worker*' --junit verify.xml --quiet",
        codes="0: all is as it was installed, 1: a check failed, or could not be made",
    )
)
@spread
def verify(
    nodes: Nodes,
    source: Source,
    login: Login,
    voice: Voice,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML too.")
    ] = None,
) -> None:
    """Check with testinfra that nodes are as they were installed, and that a pod is sandboxed there."""
    from nodeprov.diagnosis.verify import (
        verifying,  # pytest and testinfra: 0.3 s that no other command need wait for
    )

    with opened(source, nodes, login, voice) as session:
        errands = verifying.errands(session.nodes, session.connections)
    answers = verifying.verify_all(errands, lambda: say("interrupted: removing the pods of the checks"))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    for error in errors:
        if not isinstance(error, NodeprovError):
            raise error
        print_error(error)
    verified = [answer for answer in answers if not isinstance(answer, Exception)]
    findings = [finding for each in verified for finding in each.findings]
    if junit is not None:
        write_junit(junit, findings)
    show_findings(findings, [error for error in errors if isinstance(error, NodeprovError)], as_json=voice.as_json)
    bad = errors or any(each.interrupted for each in verified) or any(f.result == "failed" for f in findings)
    raise typer.Exit(FAILED if bad else DONE)
