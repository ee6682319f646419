"""A run as lines: for logs, and for those who read it with a machine or on a terminal that cannot draw."""

from __future__ import annotations

from nodeprov.cli import output
from nodeprov.cli.board import BEGUN, DONE, FAILED, WAITING
from nodeprov.cli.output import say
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event
from nodeprov.reports.run import WaveRun


class Lines:
    """Prints what happens line by line, for logs and for those who read with a machine."""

    def __init__(self, *, is_of_many: bool) -> None:
        self._is_of_many = is_of_many
        self._uploading = set[str]()

    def on_event(self, event: Event) -> None:
        """Print a step."""
        output.show_event(event)

    def on_upload(self, node: str, _what: str, _done: int, _total: int) -> None:
        """Print that an upload begins."""
        if node not in self._uploading:
            self._uploading.add(node)
            say(f"{node}: transferring upload")

    def on_rollout(self, event: NodeEvent | WaveEvent) -> None:
        """Print where a run of many nodes is; of one node its steps say it."""
        if self._is_of_many and (text := _rollout_text(event)):
            say(text)

    def on_outcome(self, outcome: Outcome) -> None:
        """Print nothing: that is the result."""


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
