"""The sign of life."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from nodeprov.hosts.base import HEARTBEAT
from nodeprov.hosts.heartbeat import Heartbeat


def test_it_is_given_again_and_again_until_it_is_stopped() -> None:
    said: queue.Queue[str] = queue.Queue()
    beat = Heartbeat(said.put, 0.01)
    assert [said.get(timeout=10) for _ in range(3)] == [HEARTBEAT] * 3
    beat.stop()
    time.sleep(0.2)  # one that was on its way
    count = said.qsize()
    time.sleep(0.2)
    assert said.qsize() == count


def test_without_a_time_none_is_given() -> None:
    threads = threading.active_count()
    Heartbeat(lambda line: pytest.fail(line), 0)
    assert threading.active_count() == threads
