"""Where a run's time goes: for each host, what it waited for and how long."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodeprov.hosts.base import Query

CONNECT, UPLOAD = "connect", "upload"
PHASES = {
    "WatchedQuery": "as before?",
    "FactsQuery": "facts",
    "ClusterQuery": "cluster",
    "ContextQuery": "cluster",
    "AdmissionQuery": "admission",
}
"""What questions are about, by their kinds; others read states."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one host was waited for in one phase: seconds of wall time, and how often."""

    host: str
    phase: str
    seconds: float
    times: int


class Timings:
    """Adds up times; several threads measure at the same time, so that the sum may be longer than the run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[tuple[str, str], Spent] = {}

    @contextmanager
    def measured(self, host: str, phase: str) -> Iterator[None]:
        """Measure what is done inside, also if it fails."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(host, phase, self._clock() - began)

    def add(self, host: str, phase: str, seconds: float) -> None:
        """Add what was measured elsewhere."""
        with self._lock:
            before = self._spent.get((host, phase), Spent(host, phase, 0.0, 0))
            self._spent[(host, phase)] = Spent(host, phase, before.seconds + seconds, before.times + 1)

    @property
    def spent(self) -> list[Spent]:
        """All of it, in the order in which it began to be known."""
        with self._lock:
            return list(self._spent.values())


def phase_of(queries: Sequence[Query[Any]]) -> str:
    """Name what some questions, which are asked at once, are about."""
    return next((PHASES[name] for each in queries if (name := type(each).__name__) in PHASES), "states")
