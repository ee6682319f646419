"""How a run is cancelled, and what waits for nothing any more then."""

from __future__ import annotations

import threading
import time

import pytest

from nodeprov.engine.context import Cancellation
from nodeprov.errors import Cancelled


def test_what_nobody_cancels_goes_on() -> None:
    cancellation = Cancellation()
    cancellation.check()
    cancellation.wait(0)
    assert not cancellation.is_asked


def test_what_is_cancelled_stays_so_and_says_what_to_do_next() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    for _ in range(2):
        with pytest.raises(Cancelled) as caught:
            cancellation.check()
    assert str(caught.value) == "interrupted\nhint: run it again when you are ready"


def test_a_wait_ends_when_another_thread_cancels() -> None:
    cancellation = Cancellation()
    threading.Timer(0.05, cancellation.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        cancellation.wait(60)
    assert time.monotonic() - began < 30
