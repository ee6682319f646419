"""What a run needs from its caller: the author, a clock, listeners, and a way to cancel it."""

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nodeprov import __version__
from nodeprov.engine.events import OnRollout
from nodeprov.errors import Cancelled
from nodeprov.hosts.route import our_name
from nodeprov.node.receipts import Author
from nodeprov.plan.steps import OnEvent

Clock = Callable[[], str]
"""Tell the time: UTC, ISO 8601."""
OnUpload = Callable[[str, str, int, int], None]
"""Called with the node's name, what is uploaded, the bytes done and the bytes in all."""


class Cancellation:
    """Cancels a run, from a signal handler or from another thread.

    The run looks for it only where nothing is half done: before each new step, between the chunks of an upload and
    while it waits. An exception raised anywhere else, such as in the middle of an SSH exchange, would leave a
    connection that cannot undo any more.

    Attributes:
        finishes_first: whether nodes that are being changed are finished when somebody interrupts for the first
            time: several nodes are, or others would follow. A single node's changes are taken back.
    """

    def __init__(self) -> None:
        self._asked, self._ending = threading.Event(), threading.Event()
        self.finishes_first = False

    @property
    def is_asked(self) -> bool:
        """Tell whether somebody has cancelled."""
        return self._asked.is_set()

    @property
    def is_ending(self) -> bool:
        """Tell whether no other node is to be begun."""
        return self._ending.is_set()

    def cancel(self) -> None:
        """Have the run end, and take its changes back."""
        self._asked.set()
        self._ending.set()

    def interrupt(self) -> bool:
        """Do what a signal asks for; return whether the nodes that are being changed are finished first."""
        if self.finishes_first and not self.is_ending:
            self._ending.set()
            return True
        self.cancel()
        return False

    def check(self) -> None:
        """Raise Cancelled if somebody has cancelled."""
        if self.is_asked:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds; raise Cancelled as soon as somebody cancels."""
        self._asked.wait(seconds)
        self.check()

    def pause(self, seconds: float) -> None:
        """Wait between nodes for so many seconds, or until no other node is to be begun."""
        self._ending.wait(seconds)


def this_user() -> Author:
    """Name who runs this process, and where."""
    return Author(our_name(), socket.gethostname(), __version__)


def utc_now() -> str:
    """Tell the time."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def seconds_between(began: str, ended: str) -> float:
    """Return the seconds between two times of a clock."""
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run needs from its caller.

    Listeners must not raise: that would end the run. Several threads call them at the same time, one for each node
    that is being changed, so that a listener must lock what it changes.
    """

    author: Author = field(default_factory=this_user)
    clock: Clock = utc_now
    on_event: OnEvent = lambda _event: None
    cancel: Cancellation = field(default_factory=Cancellation)
    on_upload: OnUpload = lambda _node, _what, _done, _total: None
    on_rollout: OnRollout = lambda _event: None
    turn: AbstractContextManager[object] = field(default_factory=threading.Lock, repr=False)
    """Held by the node that is changing what nodes share, such as the RuntimeClass."""
