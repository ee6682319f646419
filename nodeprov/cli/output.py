"""What a person sees and answers: progress, results and questions."""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.redaction import visible, without_userinfo

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nodeprov.hosts.passwords import Passwords
    from nodeprov.hosts.timings import Timings
    from nodeprov.plan.plan import Outcome, Plan
    from nodeprov.plan.steps import Event
    from nodeprov.reports.run import NodeRun

BEGAN = time.monotonic()
WIDE = 150
MOST_NAMED = 8
"""So many nodes are named in a question."""
SCHEMA = 1
"""Raised when a field of the JSON changes its meaning or goes; docs/json.md describes them."""

quiet = threading.Event()
"""Set: only results and errors are printed."""
shows_commands = threading.Event()
"""Set: the name and the time of every command that runs on a host are shown."""
shows_scripts = threading.Event()
"""Set: so is its text."""
shows_timings = threading.Event()
"""Set: where the time went is shown at the end."""

OnProgress = Callable[[str, int, int | None], None]


@functools.cache
def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    color = None if os.environ.get("NO_COLOR") else "auto"
    console = Console(stderr=stderr, highlight=False, color_system=color)  # type: ignore[arg-type]
    if not console.is_terminal:
        console.width = WIDE
    return console


def live_console() -> Console | None:
    """Return the console on which a view may be drawn again and again; None where lines are to be printed."""
    if quiet.is_set() or shows_commands.is_set() or not sys.stderr.isatty():
        return None
    console = _console(stderr=True)
    can_draw = console.is_terminal and not console.is_dumb_terminal and console.encoding.lower().startswith("utf")
    return console if can_draw else None


@contextmanager
def moving(text: str) -> Iterator[None]:
    """Show at the bottom of a terminal, until the end of the context, that something long goes on."""
    console = live_console()
    with console.status(text) if console else nullcontext():
        yield


def without_color() -> None:
    """Write no colours from here on, nor let the programs that we start."""
    os.environ["NO_COLOR"] = "1"
    _console.cache_clear()


def say(text: str) -> None:
    """Print something that is neither the result nor an error."""
    if not quiet.is_set():
        _try_to_say(text)


def print_error(error: NodeprovError) -> None:
    """Print what went wrong, and what to type next."""
    _try_to_say(str(error))


def _try_to_say(text: str) -> None:
    """Print it if possible: a terminal that is gone, or a full disk, must not stop a rollback."""
    try:
        # In one piece: threads show their commands at the same time.
        print(f"{_fitting(visible(without_userinfo(text)), sys.stderr)}\n", end="", file=sys.stderr, flush=True)
    except (OSError, SystemExit):  # rich, which has the stream while a bar is shown, ends the program there
        quiet.set()


def _fitting(text: str, stream: TextIO) -> str:
    """Break lines at blanks if they are shown on a terminal."""
    if (width := _width(stream)) is None:
        return text
    from nodeprov.reports.wrapping import wrapped

    return wrapped(text, width)


def _width(stream: TextIO) -> int | None:
    """Return how wide the terminal is; None if it is none."""
    try:
        if not stream.isatty():
            return None
        columns = os.environ.get("COLUMNS", "")
        return int(columns) if columns.isdecimal() else os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _print(text: str) -> None:
    _print_parts((text,))


def _print_parts(parts: Iterable[str]) -> None:
    """Print a result; raise NodeprovError if it cannot be written, BrokenPipeError if nobody reads it.

    In parts, a large one is never in memory as one text.
    """
    try:
        sys.stdout.writelines(parts)
        print(flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NodeprovError(f"the result cannot be written: {error.strerror}", "df -h") from None


def show_text(text: str) -> None:
    """Print a result that is text."""
    _print(visible(text))


def show_lines(text: str) -> None:
    """Print a result for a person, whose long lines break at blanks on a terminal."""
    _print(_fitting(visible(text), sys.stdout))


def show_json(result: Mapping[str, Any], errors: Sequence[NodeprovError] = ()) -> None:
    """Print a result as JSON; where there were errors, they are in it."""
    value = {"schema": SCHEMA, **result}
    if shows_timings.is_set():
        value["timings"] = timings_json()
    if errors:
        from nodeprov.reports.outcome import errors_json

        value["errors"] = errors_json(errors)
    _print_parts(map(without_userinfo, json.JSONEncoder(indent=2).iterencode(value)))


@functools.cache
def timings() -> Timings:
    """Where the time of this process goes."""
    from nodeprov.hosts.timings import Timings

    found = Timings(time.monotonic)
    found.add("", "start", time.monotonic() - BEGAN)
    return found


def timings_json() -> list[dict[str, Any]]:
    """Write where the time went, as far as it has."""
    import dataclasses

    from nodeprov.hosts.timings import Spent

    whole = Spent("", "all", time.monotonic() - BEGAN, 1)
    spent = [*timings().spent, whole]
    return [{**dataclasses.asdict(each), "seconds": round(each.seconds, 4)} for each in spent]


def show_timings() -> None:
    """Print where the time went, if that is asked for: for what each host was waited, how often and how long."""
    if not shows_timings.is_set():
        return
    rows = [(each["host"] or "nodeprov", each["phase"], each["times"], each["seconds"]) for each in timings_json()]
    width, wide = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [
        f"{host:{width}}  {phase:{wide}}  {times:4} x  {seconds:8.3f} s" for host, phase, times, seconds in rows
    ]
    _try_to_say("\n".join(["timings:", *lines]))


def show_plans(plans: Sequence[Plan], errors: Sequence[NodeprovError] = (), *, as_json: bool = False) -> None:
    """Print plans as the result; coloured on a terminal."""
    from nodeprov.reports.plan import painted, plan_json, plan_texts

    if as_json:
        show_json({"plans": [plan_json(plan) for plan in plans]}, errors)
        return
    for text in map(visible, plan_texts(plans)):
        if _may_have_colors() and _console(stderr=False).color_system:
            _console(stderr=False).print(painted(text, _width(sys.stdout)), soft_wrap=True)
        else:
            _print(_fitting(text, sys.stdout))


def _may_have_colors() -> bool:
    """Tell whether rich need be asked, which takes 50 ms to import."""
    return sys.stdout.isatty() or bool({"FORCE_COLOR", "TTY_COMPATIBLE"} & {*os.environ})


def show_outcomes(
    outcomes: Sequence[Outcome],
    errors: Sequence[NodeprovError] = (),
    untouched: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    as_json: bool = False,
    nodes: Sequence[NodeRun] = (),
) -> None:
    """Print how runs ended, if anybody can read it; the exit code says the same.

    Several `nodes` are told in a table too, above what went wrong. `untouched` has the nodes that were not begun,
    by the reason: they are in the JSON.
    """
    from nodeprov.reports.outcome import outcome_json, outcome_text

    try:
        if as_json:
            left = [{"node": name, "why": why} for why, names in untouched.items() for name in names]
            result = {"outcomes": [outcome_json(outcome) for outcome in outcomes]}
            show_json({**result, "untouched": left} if left else result, errors)
            return
        texts = [(outcome, visible(without_userinfo(outcome_text(outcome)))) for outcome in outcomes]
        for outcome, text in texts:
            # Where no plan was shown each node has its line all the same.
            if (outcome.plan.pending or quiet.is_set()) and not outcome.error:
                _print(_fitting(text, sys.stdout))
        if len(nodes) > 1 and any(outcome.plan.pending for outcome in outcomes):
            from nodeprov.reports.run import run_table

            show_table(run_table(nodes))
        for outcome, text in texts:
            if outcome.error:
                _try_to_say(text)
            if outcome.later:
                print_error(outcome.later)
    except BrokenPipeError:
        quiet.set()
    except NodeprovError as error:
        print_error(error)


def show_nothing_to_do(plans: Sequence[Plan], *, as_json: bool) -> None:
    """Print the end of a run in which no node had anything to be done."""
    from nodeprov.plan.plan import Outcome

    if as_json or quiet.is_set():
        show_outcomes([Outcome(plan) for plan in plans], as_json=as_json)
    else:
        show_plans(plans)


def columns() -> int:
    """Return how wide a result may be."""
    return _console(stderr=False).width


def show_table(table: Table) -> None:
    """Print a result that is a table; as wide as it needs where no terminal sets a width."""
    console = _console(stderr=False)
    with console.capture() as written:
        console.print(table)
    lines = written.get().removesuffix("\n").split("\n")
    _print(
        "\n".join(line.rstrip() for line in lines)
    )  # above what moves, which only what print() writes goes through


def some_of(names: Sequence[str]) -> str:
    """Name some nodes, and say how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def ask(plans: Sequence[Plan], also: str = "") -> None:
    """Ask whether to change nodes; raise NodeprovError if not, UsageError if there is no terminal to ask on.

    `also` says what else is done.
    """
    names = [plan.node for plan in plans]
    restarts = sum(bool(plan.restart) for plan in plans)
    on = "" if restarts == len(plans) == 1 else f" on {restarts} of {len(plans)}"
    said = f"containerd restarts{on}" if restarts else "containerd does not restart"
    confirm(f"Change {some_of(names)} ({said}{also})?", "review the plan above", "nothing was changed")


def confirm(question: str, review: str, as_before: str) -> None:
    """Ask a question that `--yes` answers; `review` is what to do before that, `as_before` what a no leaves.

    Raises NodeprovError if the answer is no, UsageError if there is no terminal to ask on.
    """
    import typer  # noqa: TID251  a part of the command line

    if not sys.stdin.isatty():
        raise UsageError("no terminal to confirm on", f"{review}, then run this again with --yes")
    if not typer.confirm(question, err=True):
        raise NodeprovError(f"not confirmed; {as_before}")


def passwords(*, ask_sudo: bool) -> Passwords:
    """Know sudo's password now if it is to be asked for; whatever else is secret when it is needed.

    Where standard input is no terminal its first line is the password, and nothing can be asked later.
    """
    from nodeprov.hosts.passwords import Passwords

    if sys.stdin.isatty():
        said = _ask_unseen("password for sudo on all nodes: ") if ask_sudo else None
        return Passwords(_ask_unseen, sudo=said)
    return Passwords(sudo=sys.stdin.readline().removesuffix("\n") if ask_sudo else None)


def _ask_unseen(prompt: str) -> str:
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def show_event(event: Event) -> None:
    """Show what happens in a node's run."""
    from nodeprov.reports.outcome import event_text

    if text := event_text(event):
        say(f"{event.node}: {text}")


@contextmanager
def bar() -> Iterator[OnProgress]:
    """Show a bar for each thing that is transferred; without a terminal, a line when it begins."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    is_live = sys.stderr.isatty() and not quiet.is_set()
    with Progress(*columns, console=_console(stderr=True), transient=True, disable=not is_live) as progress:
        tasks: dict[str, Any] = {}

        def on_progress(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
                if not is_live:
                    say(f"transferring {what}{f', {total / 1e6:.0f} MB' if total else ''}")
            progress.update(tasks[what], completed=done, total=total, visible=total is None or done < total)

        yield on_progress
