"""Several nodes at the same time, each in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 10


def side_by_side(work: Callable[[T], R], items: Sequence[T]) -> list[R | Exception]:
    """Do one thing for many, at the same time; an error is an answer, in the place of its item."""
    if len(items) <= 1:
        return [_safely(work, item) for item in items]
    with ThreadPoolExecutor(max_workers=min(len(items), MOST_AT_ONCE)) as threads:
        return list(threads.map(lambda item: _safely(work, item), items))


def _safely(work: Callable[[T], R], item: T) -> R | Exception:
    try:
        return work(item)
    except Exception as error:  # it is handed on, not lost
        return error
