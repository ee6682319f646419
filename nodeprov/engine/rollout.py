"""Several nodes at the same time: the only place with threads and processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from typing import TypeVar

from nodeprov.errors import NodeprovError

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 10
POLL_SECONDS = 0.2


def side_by_side(work: Callable[[T], R], items: Sequence[T]) -> list[R | Exception]:
    """Do one thing for many, at the same time; an error is an answer, in the place of its item."""
    if len(items) <= 1:
        return [_safely(work, item) for item in items]
    with ThreadPoolExecutor(max_workers=min(len(items), MOST_AT_ONCE)) as threads:
        return list(threads.map(lambda item: _safely(work, item), items))


def in_processes(
    work: Callable[[T], R], items: Sequence[T], *, is_over: Callable[[], bool]
) -> list[R | Exception]:
    """Do one thing for many, each in a process of its own, for what must not run in threads.

    When `is_over`, no item is begun any more, and those at work get SIGTERM, to end by themselves. Processes are
    spawned and not forked: a fork copies the locks of our connections' threads.
    """
    context = multiprocessing.get_context("spawn")
    workers = min(len(items), MOST_AT_ONCE)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_signals_to_parent) as pool:
        futures = [pool.submit(_safely, work, item) for item in items]
        left: set[Future[R | Exception]] = set(futures)
        told = False
        while left:
            left = wait(left, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).not_done
            if is_over() and not told:
                told = True
                left = {future for future in left if not future.cancel()}
                _terminate_children()
        return [NodeprovError("interrupted") if each.cancelled() else each.result() for each in futures]


def _safely(work: Callable[[T], R], item: T) -> R | Exception:
    try:
        return work(item)
    except Exception as error:  # it is handed on, not lost
        return error


def _leave_signals_to_parent() -> None:
    """Let Ctrl-C, which a terminal sends to all of us, reach only the parent, which tells us."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def _terminate_children() -> None:
    for child in multiprocessing.active_children():
        if child.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
