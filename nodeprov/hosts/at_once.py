"""Many things at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 32


def at_once(call: Callable[[T], R], items: Sequence[T | Exception]) -> list[R | Exception]:
    """Call something for many, each in a thread; an error takes the place of its item's result."""
    if len(items) <= 1:
        return [safely(call, item) for item in items]
    with ThreadPoolExecutor(max_workers=min(len(items), MOST_AT_ONCE)) as threads:
        return list(threads.map(lambda item: safely(call, item), items))


def safely(call: Callable[[T], R], item: T | Exception) -> R | Exception:
    """Return what a call returns, or the error that it raises; an item that is an error already stays one."""
    if isinstance(item, Exception):
        return item
    try:
        return call(item)
    except Exception as error:  # it is handed on, not lost
        return error
