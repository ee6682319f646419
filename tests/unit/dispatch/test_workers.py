"""Threads for steps: each step is taken once, and nobody waits for one that hangs."""

from __future__ import annotations

import threading
import time
from functools import partial

from nodeprov.dispatch.workers import Workers

NEVER = threading.Event()


def wait(going: threading.Event) -> None:
    going.wait(60)


def test_all_tasks_are_carried_out_those_that_tasks_give_among_them() -> None:
    workers, done = Workers(3), []

    def first() -> None:
        done.append("first")
        workers.submit(lambda: done.append("second"))

    workers.submit(first)
    assert workers.wait(10, NEVER)
    assert done == ["first", "second"]
    workers.close()


def test_what_was_not_begun_before_the_end_is_left() -> None:
    workers, going, done = Workers(1), threading.Event(), []

    def begun() -> None:
        wait(going)
        done.append("begun")

    workers.submit(begun)
    workers.submit(lambda: done.append("not begun"))
    while workers._tasks.qsize() != 1:
        time.sleep(0.01)
    workers.close()
    going.set()
    assert workers.wait(10, NEVER)
    assert done == ["begun"]


def test_a_task_that_hangs_is_waited_for_as_long_as_it_is_said_and_no_longer_than_somebody_wants() -> None:
    workers, going, at_once = Workers(1), threading.Event(), threading.Event()
    workers.submit(partial(wait, going))
    began = time.monotonic()
    assert not workers.wait(0.2, NEVER)
    at_once.set()
    assert not workers.wait(60, at_once)
    assert time.monotonic() - began < 10
    going.set()
