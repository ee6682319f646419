"""How much an origin may send, and how slowly: a server that drips must not hold a run for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from nodeprov.errors import NodeprovError

T = TypeVar("T")

TIME_SETTING = "[release] download_timeout_seconds"
RATE_SETTING = "[release] least_bytes_per_second"


@dataclass(frozen=True, slots=True)
class Patience:
    """What is borne of an origin, for one release. gVisor's largest file has 170 MB.

    `rate_seconds` is how long it may send fewer than `bytes_per_second` before it is given up.
    """

    seconds: float = 3600
    bytes_per_second: int = 1000
    rate_seconds: float = 30
    largest_bytes: int = 1 << 30


USUAL = Patience()


class Pace:
    """The time that is left, and what came of late."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._deadline = time.monotonic() + patience.seconds
        self._looked_at = time.monotonic()
        self._arrived_bytes = 0

    def begin(self) -> None:
        """Begin to measure the rate: an answer's bytes are about to come."""
        self._looked_at, self._arrived_bytes = time.monotonic(), 0

    def arrived(self, count: int) -> None:
        """Count bytes; raise NodeprovError if they come too slowly, or the time is over."""
        self._arrived_bytes += count
        if (problem := self._problem()) is not None:
            raise problem
        if time.monotonic() - self._looked_at >= self._patience.rate_seconds:
            self.begin()

    def _problem(self) -> NodeprovError | None:
        now = time.monotonic()
        if now > self._deadline:
            return self._late()
        seconds = now - self._looked_at
        if seconds < self._patience.rate_seconds or (
            self._arrived_bytes >= self._patience.bytes_per_second * seconds
        ):
            return None
        return NodeprovError(
            f"it sends {self._arrived_bytes / seconds:.0f} bytes a second, and less than "
            f"{self._patience.bytes_per_second} are not waited for",
            f"look at base_url; if the line is as slow as that, lower {RATE_SETTING}; what arrived is kept",
        )

    @contextmanager
    def watched(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """Hang up on an origin that is too slow while it is read: what frames a file's bytes counts as none.

        Raises:
            NodeprovError: it was hung up on, whatever came of reading then.
        """
        over, hung_up = threading.Event(), threading.Event()

        def watch() -> None:
            while not over.wait(min(1.0, self._patience.rate_seconds / 10)):
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
        """Do what may wait for ever, as asking a server that drips its headers: each byte restarts a timeout.

        Raises:
            NodeprovError: the time is over; what was asked goes on unheard.
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
            f"the release did not come within {self._patience.seconds:.0f} s",
            f"run it again, what arrived is kept; if the line is only slow, raise {TIME_SETTING}",
        )
