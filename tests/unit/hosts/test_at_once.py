"""Many things at the same time."""

from __future__ import annotations

import threading
import time

import pytest

from nodeprov.hosts.at_once import MOST_AT_ONCE, at_once


def test_results_come_in_the_order_of_their_items_whoever_is_first() -> None:
    def slow_first(number: int) -> int:
        time.sleep((3 - number) / 100)
        return number * 10

    assert at_once(slow_first, [0, 1, 2, 3]) == [0, 10, 20, 30]


@pytest.mark.parametrize("items", [[2], [1, 2, 3]])
def test_an_error_stands_in_the_place_of_its_items_result(items: list[int]) -> None:
    def fails_at_two(number: int) -> int:
        if number == 2:
            raise RuntimeError("two")
        return number

    results = at_once(fails_at_two, items)
    place = items.index(2)
    assert isinstance(results[place], RuntimeError)
    assert [each for each in results if not isinstance(each, Exception)] == [n for n in items if n != 2]


def test_many_are_worked_on_at_the_same_time_and_no_more_than_a_limit() -> None:
    everybody = threading.Barrier(MOST_AT_ONCE, timeout=5)
    lock = threading.Lock()
    at_work, most = 0, 0

    def work(_item: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        everybody.wait()
        with lock:
            at_work -= 1

    assert at_once(work, range(2 * MOST_AT_ONCE)) == [None] * (2 * MOST_AT_ONCE)
    assert most == MOST_AT_ONCE


def test_one_item_needs_no_thread() -> None:
    assert at_once(lambda _item: threading.current_thread(), ["worker1"]) == [threading.current_thread()]


def test_without_items_there_are_no_results() -> None:
    nobody: list[str] = []
    assert at_once(str.upper, nobody) == []
