"""How slow an origin may be."""

from __future__ import annotations

import threading
import time

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.pace import Limits, Pace


def test_bytes_that_come_too_slowly_are_not_waited_for() -> None:
    pace = Pace(Limits(bytes_per_second=1_000_000, rate_seconds=0.05))
    pace.begin()
    time.sleep(0.1)
    with pytest.raises(NodeprovError, match="less than 1000000 are not waited for") as caught:
        pace.arrived(10)
    assert "[release] least_bytes_per_second" in caught.value.hint


def test_bytes_that_come_fast_enough_are_measured_anew_each_time() -> None:
    pace = Pace(Limits(bytes_per_second=10, rate_seconds=0.02))
    pace.begin()
    for _ in range(5):
        time.sleep(0.03)
        pace.arrived(1000)


def test_a_release_that_does_not_come_in_time_is_given_up_however_fast_it_comes() -> None:
    pace = Pace(Limits(seconds=0.05))
    time.sleep(0.1)
    with pytest.raises(NodeprovError, match=r"did not come within 0 s") as caught:
        pace.arrived(1 << 30)
    assert "[release] download_timeout_seconds" in caught.value.hint


def test_what_blocks_for_ever_is_left_alone_at_the_deadline() -> None:
    never = threading.Event()
    with pytest.raises(NodeprovError, match="did not come within"):
        Pace(Limits(seconds=0.05)).in_time(never.wait)
    never.set()
    assert Pace(Limits()).in_time(lambda: 7) == 7
    with pytest.raises(TimeoutError, match="its own"):
        Pace(Limits()).in_time(_late)


def _late() -> None:
    raise TimeoutError("its own")


def test_an_origin_that_is_too_slow_while_it_is_read_is_hung_up_on() -> None:
    pace, hung_up = Pace(Limits(bytes_per_second=1_000_000, rate_seconds=0.05)), threading.Event()
    pace.begin()

    def read() -> None:
        with pace.watched(hung_up.set):
            assert hung_up.wait(10)
            raise ConnectionResetError

    with pytest.raises(NodeprovError, match="are not waited for"):
        read()
