"""Watching a run: who hears its events, what is seen of it meanwhile, and what is kept of it at its end."""

from __future__ import annotations

import secrets
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from nodeprov.cli import output
from nodeprov.cli.board import BEGUN, Board, NodeRow
from nodeprov.cli.lines import Lines
from nodeprov.cli.output import print_error
from nodeprov.engine.context import this_user, utc_now
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.engine.planner import Planned
from nodeprov.engine.undo import in_words
from nodeprov.errors import NodeprovError
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event
from nodeprov.redaction import redacted
from nodeprov.reports.run import NodeRun, RunRecord, WaveRun, result_of


@dataclass(frozen=True, slots=True)
class Telling:
    """What a run is to leave behind: the file of a report, and that of its events."""

    report: Path | None = None
    events: Path | None = None


NOTHING_MORE = Telling()


class Listener(Protocol):
    """Hears what happens in a run; several threads call it at the same time, and it must not raise."""

    def on_event(self, event: Event) -> None:
        """Hear of a step."""

    def on_upload(self, node: str, what: str, done: int, total: int) -> None:
        """Hear of an upload."""

    def on_rollout(self, event: NodeEvent | WaveEvent) -> None:
        """Hear of a node or a wave."""

    def on_outcome(self, outcome: Outcome) -> None:
        """Hear how a node's run has ended."""


class Watch:
    """Hands what happens in a run to all listeners, and remembers what is told at the end."""

    def __init__(
        self,
        plans: Sequence[Planned],
        skipped: Sequence[NodeprovError] = (),
        action: str = "",
        *,
        identity: str = "",
    ) -> None:
        """Begin to watch a run; `identity` is that of a record which tells of the same run."""
        self.board = Board(plans, time.monotonic)
        self.listeners: list[Listener] = [self.board]
        self._plans, self._skipped = plans, tuple(skipped)
        self._outcomes: dict[str, Outcome] = {}
        self._waves: dict[int, WaveRun] = {}
        self._lock = threading.RLock()
        author = this_user()
        self._record = RunRecord(
            identity=identity or secrets.token_hex(6),
            command=redacted(shlex.join(["nodeprov", *sys.argv[1:]])),
            action=plans[0].plan.action.name if plans else action,
            user=author.user,
            controller=author.controller,
            version=author.version,
            began=utc_now(),
            nodes=(),
            releases={each.release: each.sha512 for each in plans if each.release},
        )

    def on_event(self, event: Event) -> None:
        """Hear of a step."""
        self._hand(lambda each: each.on_event(event))

    def on_upload(self, node: str, what: str, done: int, total: int) -> None:
        """Hear of an upload."""
        self._hand(lambda each: each.on_upload(node, what, done, total))

    def on_rollout(self, event: NodeEvent | WaveEvent) -> None:
        """Hear of a node or a wave."""
        if isinstance(event, WaveEvent):
            self._remember(event)
        self._hand(lambda each: each.on_rollout(event))

    def gathered(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Carry plans out by asking for their outcomes, each of which is remembered as it comes."""
        found = []
        for outcome in outcomes:
            self._outcomes[outcome.plan.node] = outcome
            self._hand(partial(_tell_outcome, outcome))
            found.append(outcome)
        return found

    def _hand(self, call: Callable[[Listener], None]) -> None:
        """Call every listener; one that fails hears no more, and the run goes on."""
        for each in tuple(self.listeners):
            try:
                call(each)
            except Exception as error:
                with suppress(ValueError):  # another thread has done it
                    self.listeners.remove(each)
                    print_error(in_words(error))

    def record(self, *, ended: str = "", report: Path | None = None) -> RunRecord:
        """Return the run as it is known now; `ended` is when it has."""
        rows = {row.node: row for row in self.board.picture().rows}
        nodes = tuple(self._node(each, rows[each.node.name]) for each in self._plans)
        with self._lock:
            waves = tuple(self._waves[number] for number in sorted(self._waves))
        path = str(report.absolute()) if report else ""
        return replace(self._record, nodes=nodes, ended=ended, waves=waves, errors=self._skipped, report=path)

    def _node(self, planned: Planned, row: NodeRow) -> NodeRun:
        outcome = self._outcomes.get(planned.node.name)
        if outcome is not None:
            return NodeRun(outcome.plan, result_of(outcome), outcome, row.seconds, row.said)
        if row.state == BEGUN:
            return NodeRun(planned.plan, "unknown", None, row.seconds)
        return NodeRun(planned.plan, "untouched" if planned.plan.pending else "nothing", said=row.said)

    def _remember(self, event: WaveEvent) -> None:
        with self._lock:
            known = self._waves.get(event.number)
            if event.state == BEGUN or known is None:
                known = WaveRun(event.number, event.total, event.kind, event.nodes, utc_now())
            self._waves[event.number] = known if event.state == BEGUN else replace(known, ended=utc_now())


def _tell_outcome(outcome: Outcome, listener: Listener) -> None:
    listener.on_outcome(outcome)


@contextmanager
def watching(
    plans: Sequence[Planned],
    telling: Telling,
    *,
    skipped: Sequence[NodeprovError] = (),
    window_left: Callable[[], float | None] = lambda: None,
) -> Iterator[Watch]:
    """Show a run while it goes on, and write at its end, however it ends, what is to be kept of it.

    `skipped` are the reasons why nodes were left out, `window_left` returns the seconds until the maintenance
    window closes; None where there is none. What cannot be written is said, and fails no run.
    """
    watch = Watch(plans, skipped)
    is_noted = any(each.plan.pending for each in plans) and _note(watch.record())
    try:
        with ExitStack() as shown:
            _stream(watch, telling, shown)
            _show(watch, plans, shown, window_left)
            yield watch
    finally:
        record = watch.record(ended=utc_now(), report=telling.report)
        if is_noted:
            _note(record)
        _keep(record, telling)


def _stream(watch: Watch, telling: Telling, shown: ExitStack) -> None:
    """Write the events of a run to where they are wanted."""
    if telling.events is None:
        return
    from nodeprov.cli.events import EventStream

    stream = EventStream(telling.events, print_error)
    stream.begin(watch.record())
    watch.listeners.append(stream)
    shown.callback(lambda: stream.end(watch.record(ended=utc_now())))


def _show(
    watch: Watch, plans: Sequence[Planned], shown: ExitStack, window_left: Callable[[], float | None]
) -> None:
    console = output.live_console() if any(each.plan.pending for each in plans) else None
    if console is None:
        watch.listeners.append(Lines(plans, time.monotonic))
    else:
        from nodeprov.cli.live import live_view

        shown.enter_context(live_view(watch.board, console, window_left))


def tell_refused(
    errors: Sequence[NodeprovError], action: str, telling: Telling, plans: Sequence[Planned] = ()
) -> None:
    """Tell of a run that is not begun, where there are reasons for that: in its report, and in the history.

    `plans` are those that could be made; their nodes stay untouched.
    """
    if not errors:
        return
    watch = Watch(plans, errors, action)
    record = watch.record(ended=utc_now(), report=telling.report)
    why = "; ".join(": ".join(filter(None, (each.where, each.message))) for each in errors)
    nodes = tuple(replace(each, said=why if each.result == "untouched" else each.said) for each in record.nodes)
    refused = replace(record, nodes=nodes)
    with ExitStack() as shown:
        _stream(Watch((), errors, action, identity=record.identity), telling, shown)
    _note(refused)
    _keep(refused, telling)


def _note(record: RunRecord) -> bool:
    """Write a run into the journal, and tell whether that could be; if not it is said, and the run goes on."""
    from nodeprov.cli.journal import Journal, journal_folder

    try:
        Journal(journal_folder()).append(record)
    except Exception as error:  # what is on the nodes counts
        print_error(in_words(error))
        return False
    return True


def _keep(record: RunRecord, telling: Telling) -> None:
    if telling.report is not None:
        try:
            from nodeprov.cli.report import write_report

            write_report(record, telling.report)
        except Exception as error:  # the nodes are changed: that is what counts
            print_error(in_words(error))
