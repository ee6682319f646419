"""How a command ends: its exit codes, and the signals that end or cancel it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from nodeprov.engine.context import Cancellation

DONE, FAILED, WRONG, PENDING = 0, 1, 2, 3

EXIT_CODES = """\
Exit codes:
0  done, or nothing to do
1  failed, or interrupted: the node that failed was rolled back, those before it are done
2  the command line or the inventory is wrong
3  plan: changes are pending; status: a run is in progress, or did not finish
4  a node was left between two states; look at the report"""

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


def leave(code: int) -> NoReturn:
    """End with a code, also where what was said can no longer be written: Python would end with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)
