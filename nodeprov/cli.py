"""The command line: arguments in, exit code out."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer  # noqa: TID251  the one place
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from nodeprov import __version__, cli_lab, inventory, planning, report, rollout, run
from nodeprov.connections import Connections
from nodeprov.engine import Event
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import Node, ReleaseSettings
from nodeprov.plan import Outcome
from nodeprov.planning import Planned
from nodeprov.receipt import Author
from nodeprov.releases import Release, obtain, resolve

T = TypeVar("T")

NOTHING_TO_DO, FAILED, USAGE, PENDING = 0, 1, 2, 3

app = typer.Typer(
    help="Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_lab.app, name="lab")

Nodes = Annotated[list[str], typer.Argument(help="Nodes of the inventory, or globs such as 'worker*'.")]
InventoryPath = Annotated[Path, typer.Option("--inventory", "-i", help="The inventory file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON (docs/json.md).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DEFAULT_INVENTORY = Path("inventory/lab.toml")

stderr = Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        app()
    except NodeprovError as error:
        _complain(error)
        sys.exit(error.exit_code)


@app.command()
def plan(nodes: Nodes, inventory_path: InventoryPath = DEFAULT_INVENTORY, as_json: Json = False) -> None:
    """Show what an install would change; write nothing. Exit 0: nothing to do, 3: changes are pending."""
    with _session(inventory_path, nodes) as session:
        planned = session.plan_install()
        _show(planned, as_json)
    if session.failed:
        raise typer.Exit(FAILED)
    raise typer.Exit(PENDING if any(each.plan.pending for each in planned) else NOTHING_TO_DO)


@app.command()
def install(
    nodes: Nodes, inventory_path: InventoryPath = DEFAULT_INVENTORY, as_json: Json = False, yes: Yes = False
) -> None:
    """Bring nodes to what the inventory wants, one after the other, and prove it; undo on any error."""
    with _session(inventory_path, nodes) as session:
        planned = session.plan_install()
        _carry_out(session, planned, as_json=as_json, yes=yes)


@app.command()
def uninstall(
    nodes: Nodes,
    inventory_path: InventoryPath = DEFAULT_INVENTORY,
    drain: Annotated[bool, typer.Option(help="Evict the sandboxed pods that still run.")] = False,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Take everything back; refuse while a sandbox needs it, or drain the node of them."""
    with _session(inventory_path, nodes) as session:
        planned = session.plan_uninstall(drain=drain)
        _carry_out(session, planned, as_json=as_json, yes=yes)


@app.command()
def verify(nodes: Nodes, inventory_path: InventoryPath = DEFAULT_INVENTORY, as_json: Json = False) -> None:
    """Check with testinfra that nodes are as they were installed, and that a pod is sandboxed there."""
    from nodeprov import verification  # pytest and testinfra: 0.3 s that no other command need wait for

    with _session(inventory_path, nodes) as session:
        subjects = session.each(lambda node: verification.look(node, session.connections.of(node)))
        findings = verification.verify(subjects) if subjects else []
    if as_json:
        print(json.dumps(report.findings_json(findings), indent=2))
    else:
        Console(highlight=False).print(report.findings_table(findings))
    bad = session.failed or any(finding.result == "failed" for finding in findings)
    raise typer.Exit(FAILED if bad else NOTHING_TO_DO)


class _Session:
    """The nodes of one invocation, connected."""

    def __init__(self, nodes: Sequence[Node], connections: Connections) -> None:
        self._nodes = nodes
        self.connections = connections
        self.failed = False
        self._lock = threading.Lock()
        self._releases: dict[tuple[str, str, str], Release] = {}

    def plan_install(self) -> list[Planned]:
        """Plan for every node at the same time."""
        return self.each(
            lambda node: planning.plan_install(
                node, self.connections.of(node), lambda architecture: self._release(node, architecture)
            )
        )

    def plan_uninstall(self, *, drain: bool) -> list[Planned]:
        """Plan for every node at the same time."""
        return self.each(lambda node: planning.plan_uninstall(node, self.connections.of(node), drain=drain))

    def each(self, work: Callable[[Node], T]) -> list[T]:
        """Do one thing for every node at the same time; say which fail, and return what the others gave."""
        good: list[T] = []
        for answer in rollout.side_by_side(work, self._nodes):
            if isinstance(answer, NodeprovError):
                self.failed = True
                _complain(answer)
            elif isinstance(answer, Exception):
                raise answer
            else:
                good.append(answer)
        return good

    def _release(self, node: Node, architecture: str) -> Release:
        """Have a release here; nodes that want the same one share it, and `latest` is asked for once."""
        wanted = node.settings.release
        key = (wanted.base_url, wanted.version, architecture)
        with self._lock:
            if key not in self._releases:
                self._releases[key] = _obtain(wanted, architecture)
            return self._releases[key]


def _obtain(wanted: ReleaseSettings, architecture: str) -> Release:
    with _bar() as on_progress:
        found: dict[str, Any] = {
            "base_url": wanted.base_url,
            "cache": Path(os.environ.get("NODEPROV_CACHE") or user_cache_path("nodeprov")),
            "pins": wanted.sha512.get(architecture, {}),
            "on_progress": on_progress,
        }
        version = resolve(wanted.version, architecture, **found)
        if version != wanted.version:
            stderr.print(
                f'{wanted.version} is {version}; pin it: [release] version = "{version}"',
                markup=False,
                soft_wrap=True,
            )
        return obtain(version, architecture, **found)


@contextmanager
def _session(path: Path, names: Sequence[str]) -> Iterator[_Session]:
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(
            f"cannot read the inventory {path}: {error.strerror}", "name it: --inventory FILE"
        ) from None
    whole = inventory.parse(text, str(path))
    with Connections(whole) as connections:
        yield _Session(inventory.select(whole, names), connections)


def _carry_out(session: _Session, planned: Sequence[Planned], *, as_json: bool, yes: bool) -> None:
    """Show, ask, and go from node to node; stop at the first that fails."""
    pending = [each for each in planned if each.plan.pending]
    if not as_json:
        _show(planned, as_json=False)
    if session.failed:
        stderr.print("nothing was changed on any node")
        raise typer.Exit(FAILED)
    if pending and not yes:
        _ask(len(pending))
    outcomes: list[Outcome] = []
    for each in planned:
        hosts = session.connections.of(each.node)
        with _uploads(session, each):
            outcomes.append(run.carry_out(each, hosts, _author(), _now, _tell(each.plan.node)))
        if outcomes[-1].exit_code:
            break
    _report(outcomes, as_json)
    raise typer.Exit(max((outcome.exit_code for outcome in outcomes), default=NOTHING_TO_DO))


def _show(planned: Sequence[Planned], as_json: bool) -> None:
    if as_json:
        print(
            json.dumps({"schema": report.SCHEMA, "plans": [report.plan_json(p.plan) for p in planned]}, indent=2)
        )
    else:
        for each in planned:
            print(report.plan_text(each.plan))


def _report(outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        values: list[dict[str, Any]] = [report.outcome_json(outcome) for outcome in outcomes]
        print(json.dumps({"schema": report.SCHEMA, "outcomes": values}, indent=2))
        return
    for outcome in outcomes:
        if outcome.error:
            stderr.print(report.outcome_text(outcome), markup=False, soft_wrap=True)
        elif outcome.plan.pending:
            print(report.outcome_text(outcome))


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", "look at the plan above, then run this again with --yes")
    if not typer.confirm(f"Change {count} node{'' if count == 1 else 's'}?", err=True):
        stderr.print("nothing was changed")
        raise typer.Exit(NOTHING_TO_DO)


def _tell(node: str) -> Any:
    def tell(event: Event) -> None:
        text = report.event_text(event)
        if text:
            stderr.print(f"{node}: {text}", markup=False, soft_wrap=True)

    return tell


@contextmanager
def _bar() -> Iterator[Any]:
    """Show a bar for what is transferred; lines are enough without a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def on_progress(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
                if not stderr.is_terminal:
                    stderr.print(f"transferring {what}", markup=False, soft_wrap=True)
            progress.update(tasks[what], completed=done, total=total)

        yield on_progress


@contextmanager
def _uploads(session: _Session, planned: Planned) -> Iterator[None]:
    with _bar() as on_progress:
        session.connections.on_upload(planned.node, lambda _what, done, total: on_progress("upload", done, total))
        yield


def _author() -> Author:
    return Author(getpass.getuser(), socket.gethostname(), __version__)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _complain(error: NodeprovError) -> None:
    stderr.print(str(error), markup=False, soft_wrap=True)
