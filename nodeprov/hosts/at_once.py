"""Many things at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 32


def at_once(
    call: Callable[[T], R], items: Sequence[T | Exception], *, meanwhile: Callable[[], None] | None = None
) -> list[R | Exception]:
    """Call something for many, each in a thread; an error takes the place of its item's result.

    `meanwhile` is called once, while they are waited for.
    """
    if len(items) <= 1 and meanwhile is None:
        return [safely(call, item) for item in items]
    with ThreadPoolExecutor(max_workers=min(len(items), MOST_AT_ONCE) or 1) as threads:
        results = threads.map(lambda item: safely(call, item), items)
        if meanwhile is not None:
            meanwhile()
        return list(results)


def safely(call: Callable[[T], R], item: T | Exception) -> R | Exception:
    """Return what a call returns, or the error that it raises; an item that is an error already stays one."""
    if isinstance(item, Exception):
        return item
    try:
        return call(item)
    except Exception as error:  # it is handed on, not lost
        return error
