"""Waiting for several machines or programs at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Call all at the same time and return what they returned, in order; raise the first one's error.

    The only threads of the labs: machines boot independently of each other, and three boots one after another
    take three times as long. All calls have ended when this returns or raises, but for an interrupt by the user:
    the threads are daemons (an executor's are not), so that it ends the process and with it what they wait for.
    """
    futures: list[Future[T]] = []
    for call in calls:
        future: Future[T] = Future()
        futures.append(future)
        Thread(target=_call, args=(call, future), daemon=True).start()
    wait(futures)
    return [future.result() for future in futures]


def _call(call: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
