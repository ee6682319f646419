"""A sign of life for what a node holds for us, as long as this process runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nodeprov.hosts.base import HEARTBEAT


class Heartbeat:
    """Says the same line again and again, in a thread of its own: a run may do something else for long."""

    def __init__(self, say: Callable[[str], None], seconds: float) -> None:
        self._say = say
        self._seconds = seconds
        self._over = threading.Event()
        if seconds:
            threading.Thread(target=self._beat, daemon=True).start()

    def stop(self) -> None:
        """Say no more."""
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            self._say(HEARTBEAT)
