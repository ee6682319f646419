"""Nodes that are drained before their restart, on a real API server: whom it evicts, and whose cordon it lifts."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from nodeprov.dispatch.dispatcher import Dispatcher
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import NODES, Fakes, Killed, KilledAt
from tests.support.pods_of_others import DRAIN, NAMESPACE, PLAIN, budget, names, owner, results, run_pod, serves
from tests.support.sampling import by_turns


def begun(fakes: Fakes) -> tuple[Dispatcher, threading.Thread]:
    """Begin a run that drains."""
    found = fakes.dispatcher(wanted(DRAIN))
    thread = threading.Thread(target=found.run, kwargs={"once": True}, daemon=True)
    thread.start()
    return found, thread


def test_pods_leave_before_the_restart_and_the_node_serves_after_it(prod: Fakes) -> None:
    prod.add("n1", "n2")
    run_pod(prod, "web")
    run_pod(prod, "web-elsewhere", "n3")
    run_pod(prod, "daemon", ownerReferences=owner("DaemonSet"))
    run_pod(prod, "static", annotations={"kubernetes.io/config.mirror": "x"})
    found = prod.run(wanted(DRAIN))
    assert results(found) == {"n1": "done", "n2": "done"}
    assert names(prod) == ["daemon", "static", "web-elsewhere"]
    assert serves(prod, "n1")
    assert serves(prod, "n2")
    assert prod.pods() == []
    assert ("n1", f"waits for pods to leave: {NAMESPACE}/web (ending)") in prod.waits
    assert prod.errors == []


def test_without_a_restart_nobody_leaves(prod: Fakes) -> None:
    prod.add("calm")
    run_pod(prod, "web", "calm")
    found = prod.run(wanted(DRAIN))
    assert results(found) == {"calm": "done"}
    assert names(prod) == ["web"]
    assert found.api.calls["PATCH", 200] == 2


def test_an_uninstall_drains_too(prod: Fakes) -> None:
    prod.add("n1")
    prod.run(wanted(DRAIN))
    run_pod(prod, "web")
    assert results(prod.run(wanted(DRAIN, run="r2", action="uninstall"))) == {"n1": "done"}
    assert names(prod) == []
    assert serves(prod)
    assert not prod.node("n1").is_ours


def test_a_budget_holds_a_pod_until_it_allows_the_eviction(prod: Fakes) -> None:
    prod.add("n1")
    run_pod(prod, "web")
    budget(prod, 0)
    found, thread = begun(prod)
    said = f"waits for pods to leave: {NAMESPACE}/web (its PodDisruptionBudget forbids it)"
    prod.until(lambda: ("n1", said) in prod.waits)
    assert (names(prod), prod.node("n1").is_cordoned, prod.labelled()) == (["web"], True, [])
    budget(prod, 1)
    thread.join(60)
    assert not thread.is_alive()
    assert (names(prod), prod.labelled(), serves(prod)) == ([], ["n1"], True)
    assert found.api.calls["POST", 429] >= 1


def test_pods_that_take_too_long_are_named_and_the_node_serves_again(prod: Fakes) -> None:
    prod.add("n1")
    run_pod(prod, "web")
    budget(prod, 0)
    found = prod.run(wanted(DRAIN + "drain_timeout_seconds = 1\n"))
    [end] = found.ends
    forbidden = f"these pods do not leave: {NAMESPACE}/web (its PodDisruptionBudget forbids it)"
    assert (end.ended.result, end.ended.why) == ("failed", forbidden)
    assert "kubectl get pdb -A" in prod.events()[0]
    assert serves(prod)
    assert prod.labelled() == prod.pods() == []
    assert names(prod) == ["web"]


def test_what_would_be_lost_unasked_is_said_before_anybody_leaves(prod: Fakes) -> None:
    prod.add("n1")
    run_pod(prod, "web")
    run_pod(prod, "bare", ownerReferences=[])
    found = prod.run(wanted(DRAIN))
    [end] = found.ends
    assert end.ended.why == f"no controller makes these pods again: {NAMESPACE}/bare"
    assert "[rollout] drain_force = true" in end.ended.hint
    assert names(prod) == ["bare", "web"]
    assert found.api.calls["PATCH", 200] == 2  # it was never cordoned
    assert results(prod.run(wanted(DRAIN + "drain_force = true\n", run="r2"))) == {"n1": "done"}
    assert names(prod) == []


def test_a_cordon_of_somebody_else_stays(prod: Fakes) -> None:
    prod.add("n1")
    prod.api.patch(f"{NODES}/n1", {"spec": {"unschedulable": True}})
    run_pod(prod, "web")
    assert results(prod.run(wanted(DRAIN))) == {"n1": "done"}
    node = prod.node("n1")
    assert (names(prod), node.is_cordoned, node.draining, node.has_our_cordon) == ([], True, "", False)


def test_a_node_that_somebody_uncordons_meanwhile_is_cordoned_again(prod: Fakes) -> None:
    prod.add("n1")
    run_pod(prod, "web")
    budget(prod, 0)
    _, thread = begun(prod)
    prod.until(lambda: prod.node("n1").is_cordoned)
    prod.api.patch(f"{NODES}/n1", {"spec": {"unschedulable": None}})
    prod.until(lambda: prod.node("n1").is_cordoned)
    budget(prod, 1)
    thread.join(60)
    assert serves(prod)


def test_a_mark_of_a_drain_that_no_run_has_any_more_is_taken_away(prod: Fakes) -> None:
    prod.add("n1")
    prod.run(wanted(PLAIN))
    marks = {"nodeprov.io/draining": "2026-11-28T12:00:00+00:00", "nodeprov.io/cordoned": "r0"}
    prod.api.patch(f"{NODES}/n1", {"metadata": {"annotations": marks}, "spec": {"unschedulable": True}})
    assert prod.run(wanted(PLAIN)).ends == []
    assert serves(prod)


@by_turns
@pytest.mark.parametrize("next_drains", [True, False])
@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_a_dispatcher_killed_at_any_write_around_a_drain_leaves_no_cordon_after_the_next_run(
    prod: Fakes, action: str, next_drains: bool
) -> None:
    prod.add("n1")
    number = 0
    was_killed = True
    while was_killed:
        prod.run(wanted(PLAIN, run=f"a{number}", action="uninstall" if action == "install" else "install"))
        run_pod(prod, f"web-{number}")
        wish = wanted(DRAIN, run=f"b{number}", action=action)
        was_killed = _killed_at(prod, number, wish)
        prod.run(wish if next_drains else wanted(PLAIN, run=f"c{number}", action=action))
        assert serves(prod)
        assert prod.node("n1").claim == ""
        assert prod.labelled() == (["n1"] if action == "install" else [])
        assert prod.pods() == []
        number += 1
    assert number > 6


def _killed_at(fakes: Fakes, number: int, wish: Any) -> bool:
    """Run until the nth write and be killed there; tell whether it came to that."""
    try:
        fakes.run(wish, before_write=KilledAt(number))
    except Killed:
        return True
    return False
