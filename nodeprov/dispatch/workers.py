"""Threads that take steps. A process that ends does not wait for them: a request may hang for long."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

_SLICE_SECONDS = 0.05


class Workers:
    """Some threads that carry out tasks, in the order in which they are given."""

    def __init__(self, count: int) -> None:
        """Start so many threads; `close` ends them."""
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count, self._left = count, 0
        self._is_closed = False
        self._changing = threading.Lock()
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, task: Callable[[], None]) -> None:
        """Have a task carried out; it must not raise."""
        with self._changing:
            self._left += 1
        self._tasks.put(task)

    def wait(self, seconds: float, at_once: threading.Event) -> bool:
        """Wait until no task is left, for so long at most, or until it is to end `at_once`; tell whether so."""
        deadline = time.monotonic() + seconds
        while self._left and not at_once.is_set() and time.monotonic() < deadline:
            at_once.wait(_SLICE_SECONDS)
        return not self._left

    def close(self) -> None:
        """Begin no other task; those that were begun go on to their end."""
        self._is_closed = True
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                if not self._is_closed:
                    task()
            finally:
                with self._changing:
                    self._left -= 1
