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

from nodeprov import __version__, cli_init, cli_inventory, cli_lab, inventory, run
from nodeprov.cli_inventory import Sets
from nodeprov.cli_terminal import (
    Commands,
    Interruption,
    ask,
    bar,
    complain,
    interrupt,
    say,
    show_findings,
    show_outcomes,
    show_plans,
    write_junit,
)
from nodeprov.connections import Connections, quietly
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
app.command()(cli_init.init)

Nodes = Annotated[
    list[str], typer.Argument(help="Nodes of the inventory, globs such as 'worker*', or groups such as @gpu.")
]
SomeNodes = Annotated[list[str], typer.Argument(help="As for `plan`; all nodes if none is named.")]
InventoryPath = Annotated[Path, typer.Option("--inventory", "-i", help="The inventory file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON (docs/json.md).")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every command that runs on a host.")]
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
    sets: Sets = [],  # noqa: B006  typer's way
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what an install would change; write nothing. Exit 0: nothing to do, 3: changes are pending."""
    with _session(inventory_path, nodes, sets, verbose=verbose) as session:
        planned = _good(session.plan_install())
    show_plans([each.plan for each in planned.good], as_json=as_json)
    if planned.errors:
        raise typer.Exit(FAILED)
    raise typer.Exit(PENDING if any(each.plan.pending for each in planned.good) else NOTHING_TO_DO)


@app.command()
def install(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    sets: Sets = [],  # noqa: B006  typer's way
    as_json: Json = False,
    yes: Yes = False,
    verbose: Verbose = False,
) -> None:
    """Bring nodes to what the inventory wants, one after the other, and prove it; undo on any error."""
    with _session(inventory_path, nodes, sets, verbose=verbose) as session:
        _carry_out(session, session.plan_install(), as_json=as_json, yes=yes)


@app.command()
def uninstall(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    sets: Sets = [],  # noqa: B006  typer's way
    drain: Annotated[bool, typer.Option("--drain", help="Evict the sandboxed pods that still run.")] = False,
    as_json: Json = False,
    yes: Yes = False,
    verbose: Verbose = False,
) -> None:
    """Take everything back; refuse while a sandbox needs it, or drain the node of them."""
    with _session(inventory_path, nodes, sets, verbose=verbose) as session:
        _carry_out(session, session.plan_uninstall(drain=drain), as_json=as_json, yes=yes)


@app.command()
def verify(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    sets: Sets = [],  # noqa: B006  typer's way
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the result as JUnit XML too.")] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check with testinfra that nodes are as they were installed, and that a pod is sandboxed there."""
    from nodeprov import verifying  # pytest and testinfra: 0.3 s that no other command need wait for

    with _session(inventory_path, nodes, sets, verbose=verbose) as session:
        to = session.connections
        errands = [verifying.Errand(node, to.whole, to.on_command) for node in session.nodes]
    answers = verifying.verify_all(errands, lambda: say("interrupted: removing the pods of the checks"))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    for error in errors:
        if not isinstance(error, NodeprovError):
            raise error
        complain(error)
    verified = [answer for answer in answers if not isinstance(answer, Exception)]
    findings = [finding for each in verified for finding in each.findings]
    if junit is not None:
        write_junit(junit, findings)
    show_findings(findings, as_json=as_json)
    bad = errors or any(each.interrupted for each in verified) or any(f.result == "failed" for f in findings)
    raise typer.Exit(FAILED if bad else NOTHING_TO_DO)


@app.command("inventory")
def explain(
    nodes: SomeNodes = [],  # noqa: B006  typer's way
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    sets: Sets = [],  # noqa: B006  typer's way
    as_json: Json = False,
) -> None:
    """Show the settings of each node and where each came from; connect to nothing."""
    whole, text = cli_inventory.load(inventory_path, sets, os.environ)
    cli_inventory.explain(whole, text, nodes, as_json=as_json)


@contextmanager
def _session(path: Path, names: Sequence[str], sets: Sequence[str], *, verbose: bool) -> Iterator[Session]:
    whole, _ = cli_inventory.load(path, sets, os.environ)
    nodes = inventory.select(whole, names)
    with Connections(whole, Commands() if verbose else quietly) as connections:
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
