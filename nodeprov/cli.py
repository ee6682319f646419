"""The command line: arguments in, exit code out."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer  # noqa: TID251  the one place
from platformdirs import user_cache_path

from nodeprov import __version__, cli_lab, inventory, run
from nodeprov.cli_terminal import (
    Commands,
    Interruption,
    ask,
    bar,
    complain,
    interrupt,
    passwords,
    say,
    show_findings,
    show_outcomes,
    show_plans,
)
from nodeprov.connections import Connections
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import ReleaseSettings
from nodeprov.plan import Outcome
from nodeprov.planning import Planned
from nodeprov.receipt import Author
from nodeprov.releases import Release, obtain, resolve
from nodeprov.session import Answers, Session

NOTHING_TO_DO, FAILED, PENDING = 0, 1, 3

app = typer.Typer(
    help="Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_lab.app, name="lab")

Nodes = Annotated[list[str], typer.Argument(help="Nodes of the inventory, or globs such as 'worker*'.")]
InventoryPath = Annotated[Path, typer.Option("--inventory", "-i", help="The inventory file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON (docs/json.md).")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every command that runs on a host.")]
AskSudo = Annotated[
    bool, typer.Option("--ask-sudo-password", "-K", help="Ask for sudo's password before connecting.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DEFAULT_INVENTORY = Path("inventory/lab.toml")


def main() -> None:
    """Run the command line."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    try:
        app(standalone_mode=True)
    except NodeprovError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted; nothing was changed")
        sys.exit(FAILED)


@app.command()
def plan(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    as_json: Json = False,
    verbose: Verbose = False,
    ask_sudo: AskSudo = False,
) -> None:
    """Show what an install would change; write nothing. Exit 0: nothing to do, 3: changes are pending."""
    with _session(inventory_path, nodes, verbose=verbose, ask_sudo=ask_sudo) as session:
        planned = _good(session.plan_install())
    show_plans([each.plan for each in planned.good], as_json=as_json)
    if planned.errors:
        raise typer.Exit(FAILED)
    raise typer.Exit(PENDING if any(each.plan.pending for each in planned.good) else NOTHING_TO_DO)


@app.command()
def install(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    as_json: Json = False,
    yes: Yes = False,
    verbose: Verbose = False,
    ask_sudo: AskSudo = False,
) -> None:
    """Bring nodes to what the inventory wants, one after the other, and prove it; undo on any error."""
    with _session(inventory_path, nodes, verbose=verbose, ask_sudo=ask_sudo) as session:
        _carry_out(session, session.plan_install(), as_json=as_json, yes=yes)


@app.command()
def uninstall(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    drain: Annotated[bool, typer.Option("--drain", help="Evict the sandboxed pods that still run.")] = False,
    as_json: Json = False,
    yes: Yes = False,
    verbose: Verbose = False,
    ask_sudo: AskSudo = False,
) -> None:
    """Take everything back; refuse while a sandbox needs it, or drain the node of them."""
    with _session(inventory_path, nodes, verbose=verbose, ask_sudo=ask_sudo) as session:
        _carry_out(session, session.plan_uninstall(drain=drain), as_json=as_json, yes=yes)


@app.command()
def verify(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    as_json: Json = False,
    verbose: Verbose = False,
    ask_sudo: AskSudo = False,
) -> None:
    """Check with testinfra that nodes are as they were installed, and that a pod is sandboxed there."""
    from nodeprov import verification  # pytest and testinfra: 0.3 s that no other command need wait for

    with _session(inventory_path, nodes, verbose=verbose, ask_sudo=ask_sudo) as session:
        subjects = _good(session.each(lambda node: verification.look(node, session.connections.of(node))))
        findings = verification.verify(subjects.good) if subjects.good else []
    show_findings(findings, as_json=as_json)
    bad = subjects.errors or any(finding.result == "failed" for finding in findings)
    raise typer.Exit(FAILED if bad else NOTHING_TO_DO)


@contextmanager
def _session(path: Path, names: Sequence[str], *, verbose: bool, ask_sudo: bool) -> Iterator[Session]:
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(
            f"cannot read the inventory {path}: {error.strerror}", "name it: --inventory FILE"
        ) from None
    whole = inventory.parse(text, str(path))
    nodes = inventory.select(whole, names)
    on_command = Commands() if verbose else lambda _name, _script: None
    with Connections(whole, on_command, passwords(ask_sudo=ask_sudo)) as connections:
        yield Session(nodes, connections, _obtain)


def _obtain(wanted: ReleaseSettings, architecture: str) -> Release:
    with bar() as on_progress:
        found: dict[str, Any] = {
            "base_url": wanted.base_url,
            "cache": Path(os.environ.get("NODEPROV_CACHE") or user_cache_path("nodeprov")),
            "pins": wanted.sha512.get(architecture, {}),
            "on_progress": on_progress,
        }
        version = resolve(wanted.version, architecture, **found)
        if version != wanted.version:
            say(f'{wanted.version} is {version}; pin it: [release] version = "{version}"')
        return obtain(version, architecture, **found)


def _good(answers: Answers[Any]) -> Answers[Any]:
    for error in answers.errors:
        complain(error)
    return answers


def _carry_out(session: Session, planned: Answers[Planned], *, as_json: bool, yes: bool) -> None:
    """Show, ask, and go from node to node; stop at the first that fails."""
    _good(planned)
    if not as_json:
        show_plans([each.plan for each in planned.good], as_json=False)
    if planned.errors:
        say("nothing was changed on any node")
        raise typer.Exit(FAILED)
    pending = [each for each in planned.good if each.plan.pending]
    if pending and not yes and as_json:
        raise UsageError("--json shows no plan to ask about", "look at `nodeprov plan`, then add --yes")
    if pending and not yes:
        ask(len(pending))
    outcomes: list[Outcome] = []
    with Interruption() as interruption:
        for each in planned.good:
            outcomes.append(_one(session, each, interruption))
            if outcomes[-1].exit_code:
                break
    if missed := [each.node.name for each in planned.good[len(outcomes) :] if each.plan.pending]:
        say(f"not begun, because {outcomes[-1].plan.node} failed: {', '.join(missed)}")
    show_outcomes(outcomes, as_json=as_json)
    raise typer.Exit(max((outcome.exit_code for outcome in outcomes), default=NOTHING_TO_DO))


def _one(session: Session, planned: Planned, interruption: Interruption) -> Outcome:
    node = planned.node
    with bar() as on_progress:

        def on_upload(_what: str, done: int, total: int) -> None:
            interruption.heed()
            on_progress("upload", done, total)

        session.connections.on_upload(node, on_upload)
        act = run.Act(_author(), _now, interruption.tell(node.name), interruption.rest)
        try:
            return run.carry_out(planned, session.connections.of(node), act)
        except NodeprovError as error:
            return Outcome(planned.plan, error=error.at(node.name))


def _author() -> Author:
    return Author(getpass.getuser(), socket.gethostname(), __version__)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
