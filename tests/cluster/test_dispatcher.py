"""The dispatcher on a real API server, with nodes and pods that KWOK plays."""

from __future__ import annotations

import threading

import pytest

from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.views import NodeView
from nodeprov.dispatch.wanted import Wanted
from tests.support.control_plane import ControlPlane
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import LABEL, NODES, Fakes, Killed, KilledAt, Stubborn, inventory
from tests.support.sampling import by_turns, is_full

MANY = inventory(max_unavailable="100%", max_failures=100)


def installed(fakes: Fakes, *names: str) -> None:
    """Insist that nodes are as an install leaves them, and that nothing else is left."""
    assert fakes.labelled() == sorted(names)
    for name in names:
        last = fakes.last(name)
        assert last is not None
        assert (last.result, fakes.node(name).claim) == ("done", "")
    assert fakes.pods() == []


def results(found: Dispatcher) -> dict[str, str]:
    return {each.node: each.ended.result for each in found.ends}


def test_chosen_nodes_are_installed_and_others_are_left_alone(fakes: Fakes) -> None:
    fakes.add("n1", "n2")
    fakes.add("other", labels={})
    found = fakes.run(wanted(MANY))
    assert results(found) == {"n1": "done", "n2": "done"}
    installed(fakes, "n1", "n2")
    assert fakes.last("other") is None
    classes = fakes.api.get("/apis/node.k8s.io/v1/runtimeclasses")["items"]
    assert {each["metadata"]["name"]: each["handler"] for each in classes} == {
        "gvisor": "runsc",
        "gvisor-nodeprov-proof": "runsc",
    }


def test_a_run_with_nothing_to_do_writes_nothing(fakes: Fakes) -> None:
    fakes.add("n1")
    fakes.run(wanted(MANY))
    before = fakes.node("n1").version
    assert fakes.run(wanted(MANY)).ends == []
    assert fakes.node("n1").version == before


def test_a_run_writes_to_a_node_twice(fakes: Fakes) -> None:
    fakes.add("n1")
    found = fakes.run(wanted(MANY))
    assert found.api.calls["PATCH", 200] == 2


def test_a_failure_is_told_on_the_node_and_in_an_event_and_the_others_wait(fakes: Fakes) -> None:
    fakes.add("bad", "n1")
    found = fakes.run(wanted(inventory(max_unavailable="1")))
    assert results(found) == {"bad": "failed"}
    assert found.turn.why_not == "bad failed"
    last = fakes.last("bad")
    assert last is not None
    assert (last.result, last.why) == ("failed", "bad: the disk is full")
    assert fakes.events() == ["bad: the disk is full\nhint: df -h"]
    assert fakes.labelled() == fakes.pods() == []


def test_a_failed_node_is_tried_again_by_another_run_only(fakes: Fakes) -> None:
    fakes.add("bad")
    assert results(fakes.run(wanted(MANY))) == {"bad": "failed"}
    assert fakes.run(wanted(MANY)).ends == []
    assert results(fakes.run(wanted(MANY, run="r2"))) == {"bad": "failed"}


def test_an_engine_that_never_starts_fails_its_node_after_its_deadline(fakes: Fakes) -> None:
    fakes.add("silent", "n1")
    found = fakes.run(wanted(MANY, deadline_seconds=2))
    assert results(found) == {"silent": "failed", "n1": "done"}
    installed(fakes, "n1")


def test_a_node_that_does_not_report_the_handler_gets_no_label(fakes: Fakes) -> None:
    fakes.add("n1", handlers=("",))
    slow = f"{MANY}[proof]\ntimeout_seconds = 1\n"
    assert results(fakes.run(wanted(slow))) == {"n1": "between"}
    assert fakes.labelled() == []


def test_a_startup_taint_goes_in_the_write_that_sets_the_label(fakes: Fakes) -> None:
    taint = {"key": "readiness.k8s.io/gvisor", "effect": "NoSchedule"}
    fakes.add("n1")
    fakes.api.patch(f"{NODES}/n1", {"spec": {"taints": [taint, {"key": "other", "effect": "NoSchedule"}]}})
    wish = wanted(MANY.replace("[cluster]", f'[cluster]\nstartup_taint = "{taint["key"]}"'))
    found = fakes.run(wish)
    assert [each["key"] for each in fakes.node("n1").taints] == ["other"]
    assert found.api.calls["PATCH", 200] == 2


def test_a_node_that_leaves_the_selection_is_uninstalled(fakes: Fakes) -> None:
    fakes.add("n1", "n2")
    fakes.run(wanted(MANY))
    fakes.api.patch(f"{NODES}/n1", {"metadata": {"labels": {"pool": "other"}}})
    found = fakes.run(wanted(MANY))
    assert [(each.node, each.ended.action, each.ended.result) for each in found.ends] == [
        ("n1", "uninstall", "done")
    ]
    installed(fakes, "n2")
    assert fakes.last("n1") is None


def test_an_uninstall_leaves_no_mark_on_any_node(fakes: Fakes) -> None:
    fakes.add("n1", "n2")
    fakes.run(wanted(MANY))
    fakes.api.patch(f"{NODES}/n1", {"metadata": {"labels": {"pool": "other"}}})
    fakes.run(wanted(MANY, run="r2", action="uninstall"))
    for name in ("n1", "n2"):
        node = fakes.node(name)
        assert (node.last, node.claim, LABEL in node.labels) == (None, "", False)
    assert fakes.pods() == []


def test_a_run_that_stages_leaves_a_mark_and_the_install_that_follows_takes_it_away(fakes: Fakes) -> None:
    names = ("bad", "n1", "n2")
    fakes.add(*names)
    found = fakes.run(wanted(inventory(max_unavailable="1", max_failures=2, canary=1), action="stage"))
    assert results(found) == {"bad": "failed", "n1": "done", "n2": "done"}
    assert (fakes.labelled(), fakes.pods()) == ([], [])
    assert {name: staged.result for name in names if (staged := fakes.node(name).staged)} == results(found)
    assert [fakes.last(name) for name in names] == [None] * 3
    fakes.run(wanted(MANY, run="r2"))
    installed(fakes, "n1", "n2")
    assert [fakes.node(name).staged for name in ("n1", "n2")] == [None, None]


def test_a_node_that_was_only_staged_is_cleared_by_an_uninstall(fakes: Fakes) -> None:
    fakes.add("n1")
    fakes.run(wanted(MANY, action="stage"))
    found = fakes.run(wanted(MANY, run="r2", action="uninstall"))
    assert [(each.ended.action, each.ended.result) for each in found.ends] == [("uninstall", "done")]
    assert not fakes.node("n1").is_ours


def test_canaries_are_proven_again_after_their_soak_time(fakes: Fakes) -> None:
    fakes.add("n1", "n2")
    found = fakes.run(wanted(inventory(max_unavailable="2", canary=1, soak_seconds=2)))
    assert [each.node for each in found.ends] == ["n1", "n1", "n2"]
    last = fakes.last("n1")
    assert last is not None
    assert last.soaked == "yes"
    installed(fakes, "n1", "n2")


def test_a_node_that_is_not_ready_is_not_begun_until_it_is(fakes: Fakes) -> None:
    fakes.add("n1")
    status = f"{NODES}/n1/status"
    fakes.api.patch(status, {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    found = fakes.run(wanted(MANY))
    assert (found.ends, found.known.due, found.known.nodes["n1"].unavailable) == (
        [],
        {"n1": "install"},
        "not ready",
    )
    fakes.api.patch(status, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert results(fakes.run(wanted(MANY))) == {"n1": "done"}


def test_nodes_that_join_later_are_installed_too(fakes: Fakes) -> None:
    fakes.add("n1")
    resident = fakes.dispatcher(wanted(MANY))
    thread = threading.Thread(target=resident.run, kwargs={"once": False}, daemon=True)
    thread.start()
    fakes.until(lambda: fakes.labelled() == ["n1"])
    fakes.add("n2")
    fakes.until(lambda: fakes.labelled() == ["n1", "n2"] and not fakes.pods())
    fakes.stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_node_that_comes_back_as_another_machine_is_installed_anew(fakes: Fakes) -> None:
    fakes.add("n1")
    fakes.run(wanted(MANY))
    fakes.api.delete(f"{NODES}/n1")
    fakes.add("n1")
    assert results(fakes.run(wanted(MANY))) == {"n1": "done"}
    installed(fakes, "n1")


def test_a_node_that_goes_while_it_is_changed_holds_nobody_up(fakes: Fakes) -> None:
    fakes.add("silent", "n1")
    found = fakes.dispatcher(wanted(MANY))
    thread = threading.Thread(target=found.run, kwargs={"once": True}, daemon=True)
    thread.start()
    fakes.until(lambda: bool(fakes.pods()) and fakes.labelled() == ["n1"])
    fakes.api.delete(f"{NODES}/silent")
    thread.join(60)
    assert not thread.is_alive()
    installed(fakes, "n1")


def _killed_at(fakes: Fakes, number: int, wish: Wanted) -> bool:
    """Run until the nth write and be killed there; tell whether it came to that."""
    killed = KilledAt(number)
    try:
        fakes.run(wish, before_write=killed)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_a_dispatcher_that_is_killed_at_any_write_is_followed_by_one_that_ends_what_it_began(
    fakes: Fakes, action: str
) -> None:
    fakes.add("n1")
    number = 0
    while True:
        wish = wanted(MANY)
        if action == "uninstall":
            fakes.run(wish)
            wish = wanted(MANY, run="r2", action="uninstall")
        was_killed = _killed_at(fakes, number, wish)
        fakes.run(wish)
        if action == "install":
            installed(fakes, "n1")
            fakes.run(wanted(MANY, run="r3", action="uninstall"))
        assert (fakes.labelled(), fakes.pods(), fakes.last("n1")) == ([], [], None)
        if not was_killed:
            break
        number += 1
    assert number > 3


def test_two_dispatchers_at_once_do_each_node_once(fakes: Fakes) -> None:
    names = [f"n{number}" for number in range(20)]
    fakes.add(*names)
    found = [fakes.dispatcher(wanted(MANY), identity=each) for each in ("one", "two")]
    threads = [threading.Thread(target=each.run, kwargs={"once": True}, daemon=True) for each in found]
    for each in threads:
        each.start()
    fakes.until(lambda: fakes.labelled() == sorted(names) and not fakes.pods())
    fakes.stop.set()
    assert sum(each.api.calls["POST", 409] for each in found) == 0
    assert sorted(each.node for one in found for each in one.ends) == sorted(names)


def test_two_that_both_believe_to_lead_harm_nothing(fakes: Fakes) -> None:
    names = [f"n{number}" for number in range(20)]
    fakes.add(*names)
    found = [fakes.dispatcher(wanted(MANY), identity=each, leadership=Stubborn) for each in ("one", "two")]
    threads = [threading.Thread(target=each.run, kwargs={"once": True}, daemon=True) for each in found]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    installed(fakes, *names)


def test_many_nodes_in_one_run(fakes: Fakes, request: pytest.FixtureRequest) -> None:
    count = 1000 if is_full(request.config) else 200
    names = [f"m{number:04}" for number in range(count)]
    fakes.add(*names)
    found = fakes.run(wanted(MANY))
    assert len(found.ends) == count
    installed(fakes, *names)
    assert found.lists == {"nodes": 1, "pods": 1, "proofs in default": 1}


@by_turns
def test_an_api_server_that_is_away_for_a_while_is_survived(fakes: Fakes, plane: ControlPlane) -> None:
    names = [f"n{number}" for number in range(10)]
    fakes.add(*names)
    found = fakes.dispatcher(wanted(inventory(max_unavailable="2")))
    thread = threading.Thread(target=found.run, kwargs={"once": True}, daemon=True)
    thread.start()
    fakes.until(lambda: bool(fakes.labelled()))
    plane.kill_server()
    thread.join(20)  # a minute, with nodes that are real: tests/lab/test_dispatch_faults.py
    plane.server = plane.start_server()
    thread.join(120)
    assert not thread.is_alive()
    installed(fakes, *names)


def test_a_dispatcher_that_does_not_see_nodes_any_more_ends(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process sees them again; one that goes on would wait for ever."""

    def blind(_value: object) -> NodeView:
        raise ZeroDivisionError

    fakes.add("n1")
    monkeypatch.setattr(NodeView, "of", blind)
    with pytest.raises(ZeroDivisionError):
        fakes.run(wanted(inventory()))
