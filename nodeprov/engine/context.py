"""What a run needs from its caller: the author, a clock, a listener for events, and a way to cancel it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from nodeprov.errors import Cancelled
from nodeprov.node.receipts.receipt import Author
from nodeprov.plan.events import OnEvent

Clock = Callable[[], str]
"""Tell the time: UTC, ISO 8601."""


class Cancellation:
    """Cancels a run, from a signal handler or from another thread.

    The run looks for it only where nothing is half done: before each new step, between the chunks of an upload and
    while it waits. An exception raised anywhere else, such as in the middle of an SSH exchange, would leave a
    connection that cannot undo any more.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def is_asked(self) -> bool:
        """Tell whether somebody has cancelled."""
        return self._asked.is_set()

    def cancel(self) -> None:
        """Have the run end, and take its changes back."""
        self._asked.set()

    def check(self) -> None:
        """Raise Cancelled if somebody has cancelled."""
        if self.is_asked:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds; raise Cancelled as soon as somebody cancels."""
        self._asked.wait(seconds)
        self.check()


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run needs from its caller. `on_event` must not raise, and `clock` says UTC in ISO 8601."""

    author: Author
    clock: Clock
    on_event: OnEvent
    cancel: Cancellation
