"""Who leads, of several that want to."""

from __future__ import annotations

from typing import Any, cast

import pytest

from nodeprov.dispatch.api import Api, ApiError
from nodeprov.dispatch.lease import DURATION_SECONDS, RENEW_SECONDS, Leadership, NotLeading


class Leases:
    """A collection of the API that has the one Lease, in memory: it refuses what was not read last."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.is_away = False

    def _insist(self) -> None:
        if self.is_away:
            raise ApiError("it does not answer", "", where="", status=0, reason="")

    def find(self, _path: str) -> Any:
        self._insist()
        return self.lease and {"metadata": dict(self.lease["metadata"]), "spec": dict(self.lease["spec"])}

    def create(self, _path: str, value: Any) -> Any:
        self._insist()
        if self.lease:
            raise ApiError("exists", "", where="", status=409, reason="AlreadyExists")
        return self._put(value)

    def replace(self, _path: str, value: Any) -> Any:
        self._insist()
        if not self.lease or value["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError("changed", "", where="", status=409, reason="Conflict")
        return self._put(value)

    def _put(self, value: Any) -> Any:
        self.version += 1
        self.lease = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
        return self.lease


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(leases: Leases, clock: Clock) -> tuple[Leadership, Leadership]:
    one, other = (Leadership(cast(Api, leases), "ns", name, monotonic=clock) for name in ("one", "two"))
    return one, other


def test_the_first_one_leads_and_the_other_waits(two: tuple[Leadership, Leadership]) -> None:
    one, other = two
    assert one.attempt()
    assert not other.attempt()
    one.insist()
    with pytest.raises(NotLeading, match="another dispatcher leads: one"):
        other.insist()


def test_who_renews_goes_on(two: tuple[Leadership, Leadership], clock: Clock) -> None:
    one, other = two
    for _ in range(20):
        assert one.attempt()
        assert not other.attempt()
        clock.now += 2


def test_who_is_not_heard_of_is_replaced_and_stops_to_write_before(
    two: tuple[Leadership, Leadership], clock: Clock
) -> None:
    one, other = two
    one.attempt()
    assert not other.attempt()
    clock.now += RENEW_SECONDS
    assert not one.is_leading
    assert not other.attempt()
    clock.now += DURATION_SECONDS - RENEW_SECONDS
    assert other.attempt()
    assert not one.attempt()


def test_who_gives_it_back_is_replaced_at_once(two: tuple[Leadership, Leadership]) -> None:
    one, other = two
    one.attempt()
    one.release()
    assert other.attempt()
    assert not one.is_leading


def test_a_server_that_was_away_ends_the_lead_until_it_is_back(
    two: tuple[Leadership, Leadership], leases: Leases, clock: Clock
) -> None:
    one, _ = two
    one.attempt()
    leases.is_away = True
    clock.now += 60
    with pytest.raises(ApiError):
        one.attempt()
    assert not one.is_leading
    leases.is_away = False
    assert one.attempt()
    assert leases.lease
    assert leases.lease["spec"]["leaseTransitions"] == 1


def test_of_two_that_take_it_in_the_same_moment_one_gets_it(
    two: tuple[Leadership, Leadership], leases: Leases, clock: Clock
) -> None:
    one, other = two
    one.attempt()
    one.release()
    found = leases.find("")
    other.attempt()
    assert leases.lease
    with pytest.raises(ApiError):
        leases.replace("", found)
    assert not one.attempt()
