"""How slow an origin may be, and how large its files: a run must not wait for ever for a server that drips."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from nodeprov.errors import NodeprovError

T = TypeVar("T")

Progress = Callable[[str, int, int | None], None]
"""Called with what is done to which file, the bytes done and the bytes in all if that is known."""

TIME_SETTING = "[release] download_timeout_seconds"
RATE_SETTING = "[release] least_bytes_per_second"


@dataclass(frozen=True, slots=True)
class Limits:
    """How slow an origin may be, and how large a file, for one release; the largest has 170 MB.

    An origin is given up when a release takes longer than `seconds`, or when it sends fewer than
    `bytes_per_second` for `rate_seconds`. `backoff_seconds` is the wait before the second retry; it doubles with
    each.
    """

    seconds: float = 3600
    bytes_per_second: int = 1000
    rate_seconds: float = 30
    largest_bytes: int = 1 << 30
    backoff_seconds: float = 0.5


USUAL = Limits()


class Pace:
    """Measures an origin against the limits: the time that is left, and the bytes that came lately."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._looked_at = time.monotonic()
        self._arrived_bytes = 0

    def begin(self) -> None:
        """Start to measure the rate: the bytes of an answer are about to come."""
        self._looked_at, self._arrived_bytes = time.monotonic(), 0

    def arrived(self, count: int) -> None:
        """Count bytes; raise NodeprovError if they come too slowly, or the time is over."""
        self._arrived_bytes += count
        if (problem := self._problem()) is not None:
            raise problem
        if time.monotonic() - self._looked_at >= self._limits.rate_seconds:
            self.begin()

    def _problem(self) -> NodeprovError | None:
        now = time.monotonic()
        if now > self._deadline:
            return self._late()
        seconds = now - self._looked_at
        if seconds < self._limits.rate_seconds or (self._arrived_bytes >= self._limits.bytes_per_second * seconds):
            return None
        return NodeprovError(
            f"it sends {self._arrived_bytes / seconds:.0f} bytes a second, and less than "
            f"{self._limits.bytes_per_second} are not waited for",
            f"look at base_url; if the line is as slow as that, lower {RATE_SETTING}; what arrived is kept",
        )

    @contextmanager
    def watched(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """Hang up on an origin that is too slow while it is read: only a file's own bytes count.

        Raises:
            NodeprovError: it was too slow, whatever error the reader got from the end of the connection.
        """
        over, hung_up = threading.Event(), threading.Event()

        def watch() -> None:
            while not over.wait(min(1.0, self._limits.rate_seconds / 10)):
                if self._problem() is not None:
                    hung_up.set()
                    hang_up()
                    return

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()
            if hung_up.is_set() and (problem := self._problem()) is not None:
                raise problem from None

    def in_time(self, ask: Callable[[], T]) -> T:
        """Call what may block for ever, and stop waiting for it at the deadline.

        A server that drips its headers restarts the socket's timeout with each byte.

        Raises:
            NodeprovError: the time is over; the call goes on in its thread, and its answer is dropped.
        """
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # whatever it is, it is raised below
                answer.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            return answer.result(max(0.001, self._deadline - time.monotonic()))
        except TimeoutError:
            if answer.done():  # one of its own
                raise
            raise self._late() from None

    def _late(self) -> NodeprovError:
        return NodeprovError(
            f"the release did not come within {self._limits.seconds:.0f} s",
            f"run it again, what arrived is kept; if the line is only slow, raise {TIME_SETTING}",
        )
