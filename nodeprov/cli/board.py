"""What every node of a run is doing, as the run's events tell it: several threads write, one draws."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nodeprov.engine.events import NodeEvent, WaveEvent

if TYPE_CHECKING:
    from nodeprov.engine.planner import Planned
    from nodeprov.plan.plan import Outcome
    from nodeprov.plan.steps import Event

WAITING, BEGUN, DONE, FAILED, UNTOUCHED = "waiting", "begun", "done", "failed", "untouched"
STATES = (BEGUN, FAILED, DONE, WAITING, UNTOUCHED)
"""In the order in which a few of many are shown, and counted."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """What one node is doing: the step it is at, how many of its steps are done, and its bytes.

    `seconds` is how long its run has taken so far; None before it begins. `ended` numbers those that have ended.
    """

    node: str
    state: str = WAITING
    said: str = ""
    steps_done: int = 0
    steps: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    seconds: float | None = None
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """All rows at one moment in the order of the nodes, the waves that go on, and the time since the beginning."""

    rows: tuple[NodeRow, ...]
    waves: tuple[WaveEvent, ...]
    seconds: float

    def counts(self) -> dict[str, int]:
        """Count the nodes in each state."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in STATES if found[state]}


class Board:
    """Gathers events; `clock` counts seconds. Any thread may call it, a signal handler too."""

    def __init__(self, plans: Sequence[Planned], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._rows = {
            each.node.name: NodeRow(each.node.name, steps=len(each.plan.parts), bytes_total=each.plan.upload_bytes)
            for each in plans
        }
        self._steady_seconds = {each.node.name: each.steady_seconds for each in plans}
        self._began: dict[str, float] = {}
        self._waves: dict[int, WaveEvent] = {}
        self._start = clock()

    def picture(self) -> Picture:
        """Return how all is now."""
        with self._lock:
            now = self._clock()
            rows = tuple(
                replace(row, seconds=now - self._began[row.node]) if row.state == BEGUN else row
                for row in self._rows.values()
            )
            return Picture(rows, tuple(self._waves.values()), now - self._start)

    def on_event(self, event: Event) -> None:
        """Hear of a step."""
        with self._lock:
            row = self._begun(event.node)
            done = row.steps_done + (event.phase == "done")
            said = step_text(event, self._steady_seconds.get(event.node, 0)) or row.said
            self._rows[event.node] = replace(row, said=said, steps_done=done)

    def on_upload(self, node: str, _what: str, done: int, total: int) -> None:
        """Hear of an upload."""
        with self._lock:
            row = self._begun(node)
            self._rows[node] = replace(
                row, said="uploading", bytes_done=done, bytes_total=max(total, row.bytes_total)
            )

    def on_rollout(self, event: NodeEvent | WaveEvent) -> None:
        """Hear of a node or a wave."""
        with self._lock:
            if isinstance(event, WaveEvent):
                self._waves.pop(event.number, None)
                if event.state == BEGUN:
                    self._waves[event.number] = event
            elif event.state == BEGUN:
                row = self._begun(event.node)
                self._rows[event.node] = replace(row, said=event.said or row.said)
            else:
                self._end(event.node, event.state, event.said, event.seconds)

    def on_outcome(self, outcome: Outcome) -> None:
        """Hear how a node's run has ended."""
        with self._lock:
            row = self._rows[outcome.plan.node]
            if row.state in (WAITING, BEGUN):
                error = outcome.error or outcome.later
                said = error.message if error else ""
                self._end(row.node, FAILED if outcome.exit_code else DONE, said, None)

    def _begun(self, node: str) -> NodeRow:
        row = self._rows.get(node) or NodeRow(node)
        if row.state == WAITING:
            self._began.setdefault(node, self._clock())
            row = self._rows[node] = replace(row, state=BEGUN, said="")
        return row

    def _end(self, node: str, state: str, said: str, seconds: float | None) -> None:
        row = self._rows.get(node) or NodeRow(node)
        began = self._began.get(node)
        if row.state in (DONE, FAILED):  # it is told once more, as it has failed later
            seconds = row.seconds
        elif began is not None and state in (DONE, FAILED):
            seconds = self._clock() - began
        ended = 1 + max((each.ended for each in self._rows.values()), default=0) if state != WAITING else 0
        self._rows[node] = replace(row, state=state, said=said, seconds=seconds, ended=ended)


def step_text(event: Event, steady_seconds: int = 0) -> str:
    """Say in a few words what a node is at; "" for what changes nothing of that.

    `steady_seconds` is how long containerd is watched after its restart.
    """
    from nodeprov.plan.goal import Change
    from nodeprov.plan.steps import Drain, Proof, Restart

    match event.step, event.phase:
        case Restart(unit), "begun":
            return f"restarting {unit.removesuffix('.service')}{watched_text(steady_seconds)}"
        case Restart(unit), "undone":
            return f"taking back: restarting {unit}"
        case Change() as change, "undone":
            return f"taking back: {change.resource.title}"
        case Change() as change, "begun":
            return str(change.resource.title)
        case Proof() as proof, "begun":
            return f"proof: {proof.title}"
        case Drain(wait=wait), "begun" if wait:
            return "cordoning the node"
        case Drain(whole=whole), "begun":
            return "evicting pods" if whole else "evicting sandboxed pods"
        case Drain(), "waiting":
            return f"waiting for {event.said}"
    return ""


def watched_text(seconds: int) -> str:
    """Say behind a restart why it takes so long."""
    return f", watching it for {seconds} s" if seconds else ""
