"""Trying again, by tenacity, which is imported where the first try has failed: that takes 3 ms of each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import tenacity

T = TypeVar("T")


def trying(
    call: Callable[[], T], is_worth_it: Callable[[Exception], bool], how: Callable[[], tenacity.Retrying]
) -> T:
    """Call something; where it raises what makes another try worth it, go on as `how` says: that was the first."""
    try:
        return call()
    except Exception as error:
        if not is_worth_it(error):
            raise
        failures = iter([error])

    def call_or_fail() -> T:
        for failure in failures:
            raise failure
        return call()

    return how()(call_or_fail)
