"""From options to a session, and from plans to outcomes: what the commands that touch nodes have in common."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli.cancellation import cancelled_by_signals
from nodeprov.cli.exit_codes import DONE, FAILED
from nodeprov.cli.inventory_source import load
from nodeprov.cli.output import (
    CommandLog,
    ask,
    bar,
    is_quiet,
    passwords,
    print_error,
    say,
    show_event,
    show_outcomes,
    show_plans,
    shows_commands,
)
from nodeprov.engine import transaction
from nodeprov.engine.context import Cancellation, RunContext
from nodeprov.engine.fleet import Answers, Session
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.provider import SshHosts
from nodeprov.hosts.ssh.route import our_name
from nodeprov.inventory import Inventory, Node, ReleaseSettings, select
from nodeprov.local_files import cache_folder
from nodeprov.node.receipts.receipt import Author
from nodeprov.plan.outcome import Outcome
from nodeprov.releases.obtain import Release, obtain, resolve
from nodeprov.releases.pace import Limits
from nodeprov.releases.source import ReleaseSource
from nodeprov.runtimes.gvisor.source import GVISOR


@contextmanager
def opened(
    inventory: Path | None, sets: Sequence[str] | None, names: Sequence[str], *, ask_sudo_password: bool
) -> Iterator[Session]:
    """Open a session with the nodes of an inventory that are named."""
    whole = load(inventory, sets)
    with connected(whole, select(whole, names), ask_sudo_password=ask_sudo_password) as session:
        yield session


@contextmanager
def connected(whole: Inventory, nodes: Sequence[Node], *, ask_sudo_password: bool) -> Iterator[Session]:
    """Open a session with nodes."""
    on_command = CommandLog() if shows_commands() else None
    with SshHosts(whole, on_command, passwords(ask_sudo=ask_sudo_password)) as connections:
        yield Session(nodes, connections, _obtain)


def _obtain(wanted: ReleaseSettings, architecture: str) -> Release:
    with bar() as on_progress:
        source = ReleaseSource(
            GVISOR,
            wanted.base_url,
            cache_folder(),
            on_progress,
            pins=wanted.sha512.get(architecture, {}),
            limits=Limits(wanted.download_timeout_seconds, wanted.least_bytes_per_second),
        )
        version = resolve(source, wanted.version, architecture)
        if version != wanted.version:
            say(f'{wanted.version} is {version}; pin it: [release] version = "{version}"')
        return obtain(source, version, architecture)


def complained(answers: Answers[Any]) -> Answers[Any]:
    """Complain of what went wrong for some nodes, and hand on the rest."""
    for error in answers.errors:
        print_error(error)
    return answers


def agreed(planned: Answers[Planned], *, yes: bool, as_json: bool) -> Sequence[Planned]:
    """Show plans and ask, unless that was answered already; end where anything stands against one of them."""
    complained(planned)
    pending = [each for each in planned.good if each.plan.pending]
    must_ask = bool(pending) and not yes and not planned.errors
    if not as_json and (must_ask or not is_quiet()):
        show_plans([each.plan for each in planned.good])
    if planned.errors:
        say("nothing was changed on any node")
        show_outcomes([], planned.errors, as_json=as_json)
        raise typer.Exit(FAILED)
    if must_ask and as_json:
        raise UsageError("--json shows no plan to ask about", "look at `nodeprov plan`, then add --yes")
    if must_ask:
        ask(len(pending))
    return planned.good


def carry_out(session: Session, planned: Sequence[Planned], *, as_json: bool) -> NoReturn:
    """Go from node to node, stop at the first that fails, show how it ended, and end the process."""
    outcomes = _one_by_one(session, planned)
    show_outcomes(outcomes, as_json=as_json)
    raise typer.Exit(max((outcome.exit_code for outcome in outcomes), default=DONE))


def _one_by_one(session: Session, planned: Sequence[Planned]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with cancelled_by_signals(_say_cancelled) as cancel:
        for each in planned:
            outcomes.append(_one(session, each, cancel))
            if outcomes[-1].exit_code:
                break
    if missed := [each.node.name for each in planned[len(outcomes) :] if each.plan.pending]:
        say(f"not begun, because {outcomes[-1].plan.node} failed: {', '.join(missed)}")
    return outcomes


def _say_cancelled() -> None:
    say("interrupted: finishing the step, then taking the changes back")


def _one(session: Session, planned: Planned, cancel: Cancellation) -> Outcome:
    node = planned.node
    with bar() as on_progress:
        session.connections.on_upload = lambda _host, _what, done, total: on_progress("upload", done, total)
        run = RunContext(author(), now, lambda event: show_event(node.name, event), cancel)
        try:
            return transaction.carry_out(planned, session.connections.of(node), run)
        except NodeprovError as error:
            return Outcome(planned.plan, error=error.at(node.name))


def author() -> Author:
    """Say who runs this."""
    return Author(our_name(), socket.gethostname(), __version__)


def now() -> str:
    """Tell the time: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
