"""A run as lines: for logs, and for those who read it with a machine or on a terminal that cannot draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nodeprov.cli.board import BEGUN, DONE, FAILED, WAITING, watched_text
from nodeprov.cli.output import say
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event, Proof, Restart
from nodeprov.reports.outcome import event_text
from nodeprov.reports.run import WaveRun

if TYPE_CHECKING:
    from nodeprov.engine.planner import Planned


class Lines:
    """Prints what happens line by line, each with its node and the time since the node was begun.

    `clock` counts seconds.
    """

    def __init__(self, plans: Sequence[Planned], clock: Callable[[], float]) -> None:
        self._is_of_many = len(plans) > 1
        self._steady_seconds = {each.node.name: each.steady_seconds for each in plans}
        self._clock = clock
        self._began: dict[str, float] = {}
        self._bytes: dict[str, int] = {}

    def on_event(self, event: Event) -> None:
        """Print a step."""
        if text := _step_text(event, self._steady_seconds.get(event.node, 0)):
            self._say(event.node, text)

    def on_upload(self, node: str, _what: str, done: int, total: int) -> None:
        """Print that an upload begins, and that it has ended."""
        before = self._bytes.get(node)
        self._bytes[node] = done
        if before is None:
            self._say(node, f"uploading {total / 1e6:.0f} MB")
        if done >= total > (before or 0):
            self._say(node, f"uploaded {total / 1e6:.0f} MB")

    def on_rollout(self, event: NodeEvent | WaveEvent) -> None:
        """Print where a run of many nodes is; of one node its steps say it."""
        if isinstance(event, NodeEvent) and event.state == BEGUN:
            self._began.setdefault(event.node, self._clock())
        if self._is_of_many and (text := _rollout_text(event)):
            say(text)

    def on_outcome(self, outcome: Outcome) -> None:
        """Print nothing: that is the result."""

    def _say(self, node: str, text: str) -> None:
        now = self._clock()
        say(f"{node}: {text}  {clock_text(now - self._began.setdefault(node, now))}")


def _step_text(event: Event, steady_seconds: int) -> str | None:
    """Write a line of a step; what a proof has seen is in the result, and not said twice."""
    match event.step, event.phase:
        case Proof() as proof, "done":
            return f"proven: {proof.title}"
        case Restart(unit), "begun":
            return f"restarting {unit}{watched_text(steady_seconds)}"
    return event_text(event)


def _rollout_text(event: NodeEvent | WaveEvent) -> str:
    if isinstance(event, WaveEvent):
        return wave_text(event) if event.state == BEGUN else ""
    if event.state == DONE:
        return f"{event.node}: done in {event.seconds:.0f} s" if event.seconds else f"{event.node}: done"
    if event.state == FAILED:
        return f"{event.node}: failed: {event.said}"
    return f"{event.node}: waiting: {event.said}" if event.state == WAITING and event.said else ""


def wave_text(wave: WaveEvent | WaveRun) -> str:
    """Write in one line which wave it is, and of which nodes."""
    count = f"{len(wave.nodes)} node{'' if len(wave.nodes) == 1 else 's'}"
    named = {"canary": "canary", "control-plane": "control plane"}.get(wave.kind, count)
    return f"wave {wave.number} of {wave.total}, {named}: {', '.join(wave.nodes)}"


def clock_text(seconds: float | None) -> str:
    """Write a time as a stop-watch does: 0:07, 12:40, 1:02:03; "" for none."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
