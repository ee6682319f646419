"""Pods that are waited for before a restart, on a real API server: until they have ended, or take too long."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.marks import WAITING
from nodeprov.dispatch.wanted import Wanted
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import NODES, Fakes, Killed, KilledAt, inventory
from tests.support.pods_of_others import NAMESPACE, PLAIN, PODS, budget, names, results, run_pod, serves
from tests.support.sampling import by_turns

JOBS = {"app": "batch"}
JOB = f"{NAMESPACE}/job"


def wish(**fields: Any) -> Wanted:
    """Want nodes installed, with settings of the rollout laid over those that wait for jobs."""
    run, action = fields.pop("run", "r1"), fields.pop("action", "install")
    settings = {"max_unavailable": "100%", "max_failures": 100, "wait_for": "app=batch", **fields}
    return wanted(inventory(**settings), run=run, action=action)


def run_job(fakes: Fakes, node: str = "n1", name: str = "job", **metadata: Any) -> None:
    run_pod(fakes, name, node, **{"labels": JOBS, **metadata})


def end(fakes: Fakes, name: str = "job") -> None:
    """Have a job's pod end by itself; it stays there."""
    fakes.api.patch(f"{PODS}/{name}/status", {"status": {"phase": "Succeeded"}})


def begun(fakes: Fakes, found: Dispatcher) -> threading.Thread:
    thread = threading.Thread(target=found.run, kwargs={"once": True}, daemon=True)
    thread.start()
    fakes.until(lambda: any(why.startswith("waits for pods to end: ") for _, why in fakes.waits))
    return thread


def say_since(fakes: Fakes, seconds: float, node: str = "n1") -> None:
    """Have a node say that it has waited for longer than it has."""
    since = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")
    fakes.api.patch(f"{NODES}/{node}", {"metadata": {"annotations": {WAITING: since}}})


def test_a_node_is_cordoned_until_they_have_ended_and_none_is_evicted(prod: Fakes) -> None:
    prod.add("n1")
    run_job(prod)
    run_pod(prod, "web")
    found = prod.dispatcher(wish())
    thread = begun(prod, found)
    assert prod.waits == [("n1", f"waits for pods to end: {JOB}")]
    node = prod.node("n1")
    assert (node.is_cordoned, node.has_our_cordon, bool(node.waiting), node.draining) == (True, True, True, "")
    assert prod.labelled() == []
    end(prod)
    thread.join(60)
    assert results(found) == {"n1": "done"}
    assert (names(prod), serves(prod), prod.labelled()) == (["job", "web"], True, ["n1"])
    assert found.api.calls["PATCH", 200] == 3
    assert prod.errors == []


def test_others_leave_after_that_and_have_their_own_time(prod: Fakes) -> None:
    prod.add("n1")
    run_job(prod)
    run_pod(prod, "web")
    budget(prod, 0)
    found = prod.dispatcher(wish(drain=True, drain_timeout_seconds=30))
    thread = begun(prod, found)
    assert found.api.calls["POST", 429] == 0
    say_since(prod, 100)
    end(prod)
    prod.until(lambda: any("waits for pods to leave" in why for _, why in prod.waits))
    node = prod.node("n1")
    assert (node.waiting, bool(node.draining)) == ("", True)
    budget(prod, 1)
    thread.join(60)
    assert results(found) == {"n1": "done"}
    assert (names(prod), serves(prod)) == (["job"], True)


def test_where_nothing_restarts_nothing_is_waited_for(prod: Fakes) -> None:
    prod.add("calm")
    run_job(prod, "calm")
    found = prod.run(wish())
    assert results(found) == {"calm": "done"}
    assert (prod.waits, found.api.calls["PATCH", 200]) == ([], 2)


def test_an_uninstall_waits_too(prod: Fakes) -> None:
    prod.add("n1")
    prod.run(wish())
    run_job(prod)
    found = prod.dispatcher(wish(run="r2", action="uninstall"))
    thread = begun(prod, found)
    end(prod)
    thread.join(60)
    assert results(found) == {"n1": "done"}
    assert (serves(prod), prod.node("n1").is_ours) == (True, False)


def test_those_that_never_end_by_themselves_are_not_waited_for(prod: Fakes) -> None:
    prod.add("n1")
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "o", "uid": "o", "controller": True}
    run_job(prod, name="daemon", ownerReferences=[owner])
    run_job(prod, name="static", annotations={"kubernetes.io/config.mirror": "x"})
    assert results(prod.run(wish())) == {"n1": "done"}
    assert prod.waits == []


def test_one_that_takes_too_long_is_named_and_the_node_is_as_before(prod: Fakes) -> None:
    prod.add("n1")
    run_job(prod, ownerReferences=[])  # what would be lost matters only where it is evicted
    found = prod.run(wish(wait_timeout_seconds=1))
    [ended] = found.ends
    assert (ended.ended.result, ended.ended.why) == ("failed", f"these pods have not ended within 1 s: {JOB}")
    assert 'wait_then = "evict"' in prod.events()[0]
    assert (serves(prod), names(prod), prod.labelled(), prod.pods()) == (True, ["job"], [], [])


def test_one_that_takes_too_long_is_evicted_if_that_is_wanted_and_no_other_pod_is(prod: Fakes) -> None:
    prod.add("n1")
    run_job(prod)
    run_pod(prod, "web")
    found = prod.run(wish(wait_timeout_seconds=1, wait_then="evict"))
    assert results(found) == {"n1": "done"}
    assert (names(prod), serves(prod)) == (["web"], True)


def test_what_would_be_lost_with_one_that_is_evicted_is_told_before_it_is_waited_for(prod: Fakes) -> None:
    prod.add("n1")
    run_job(prod, ownerReferences=[])
    found = prod.run(wish(wait_timeout_seconds=1, wait_then="evict"))
    [ended] = found.ends
    assert ended.ended.why == f"no controller makes these pods again: {JOB}"
    assert (prod.waits, found.api.calls["PATCH", 200]) == ([], 2)  # it was never cordoned


def test_another_run_waits_for_its_own_time(prod: Fakes) -> None:
    prod.add("n1")
    run_job(prod)
    stop = threading.Event()
    thread = begun(prod, prod.dispatcher(wish(), stop=stop))
    stop.set()
    thread.join(30)
    prod.release()
    say_since(prod, 4000)
    found = prod.dispatcher(wish(run="r2"))
    prod.waits.clear()
    thread = begun(prod, found)
    end(prod)
    thread.join(60)
    assert results(found) == {"n1": "done"}
    assert serves(prod)


def test_a_window_that_closes_before_they_may_have_ended_has_no_node_begun(prod: Fakes) -> None:
    prod.add("n1")
    now = datetime.now(UTC)
    window = f"{now - timedelta(minutes=1):%H:%M}-{now + timedelta(minutes=30):%H:%M}"
    found = prod.run(wish(window=window))
    assert (found.ends, found.turn.why_not) == ([], "the window closes before another node would be done")
    found = prod.run(wish(window=window, wait_timeout_seconds=60))
    assert results(found) == {"n1": "done"}


@by_turns
@pytest.mark.parametrize("drain", [True, False])
def test_a_dispatcher_killed_at_any_write_leaves_no_mark_after_the_next_run(prod: Fakes, *, drain: bool) -> None:
    prod.add("n1")
    number, was_killed = 0, True
    while was_killed:
        prod.run(wanted(PLAIN, run=f"a{number}", action="uninstall"))
        run_job(prod, name=f"job-{number}")
        given = wish(run=f"b{number}", drain=drain, wait_timeout_seconds=1, wait_then="evict")
        was_killed = _killed_at(prod, number, given)
        prod.run(given)
        assert (serves(prod), prod.node("n1").claim, prod.labelled(), prod.pods()) == (True, "", ["n1"], [])
        assert names(prod) == []
        number += 1
    assert number > 6


def _killed_at(fakes: Fakes, number: int, given: Wanted) -> bool:
    """Run until the nth write and be killed there; tell whether it came to that."""
    try:
        fakes.run(given, before_write=KilledAt(number))
    except Killed:
        return True
    return False
