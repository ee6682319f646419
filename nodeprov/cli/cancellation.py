"""Signals: they end a command that only reads, and cancel a run that changes nodes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodeprov.engine.context import Cancellation

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_interrupted = threading.Event()


def end_on_signals() -> None:
    """Have a signal end what is being read: nothing is being changed, so that it may end anywhere."""
    for each in SIGNALS:
        signal.signal(each, _interrupt)


def interrupted() -> bool:
    """Tell whether a signal has ended what was being read."""
    return _interrupted.is_set()


@contextmanager
def cancelled_by_signals(on_signal: Callable[[], None]) -> Iterator[Cancellation]:
    """Have a signal cancel, where that is safe, in place of ending the process; call `on_signal` too."""
    from nodeprov.engine.context import Cancellation  # with all of the engine, which few commands wait for

    cancellation = Cancellation()

    def cancel(_number: int, _frame: object) -> None:
        cancellation.cancel()
        on_signal()

    before = {each: signal.signal(each, cancel) for each in SIGNALS}
    try:
        yield cancellation
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupt(number: int, _frame: object) -> None:
    _interrupted.set()
    raise KeyboardInterrupt(signal.Signals(number).name)
