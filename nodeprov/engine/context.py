"""What a run needs from its caller: the author, a clock, listeners, and a way to cancel it."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nodeprov import __version__
from nodeprov.engine.events import OnRollout
from nodeprov.errors import Cancelled
from nodeprov.hosts.ssh.route import our_name
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


def this_user() -> Author:
    """Name who runs this process, and where."""
    return Author(our_name(), socket.gethostname(), __version__)


def utc_now() -> str:
    """Tell the time."""
    return datetime.now(UTC).isoformat(timespec="seconds")


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
