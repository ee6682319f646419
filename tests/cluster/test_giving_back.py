"""A run that is stopped gives back the nodes on which nothing has restarted, on a real API server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from nodeprov.dispatch.actor import Actor
from nodeprov.dispatch.api import Api, ApiError
from nodeprov.dispatch.case import Ended
from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.giving_back import AT_ONCE, AT_WORK, NO_ANSWER, NOT_KNOWN, GivingBack
from nodeprov.dispatch.marks import DONE, FAILED, LAST, Last
from nodeprov.dispatch.one_shot import Came, dispatch_here
from nodeprov.dispatch.views import NodeView
from nodeprov.dispatch.wanted import UNINSTALL, Members, Wanted
from nodeprov.engine.context import utc_now
from nodeprov.in_cluster.pod import NAMESPACE
from tests.support.control_plane import ControlPlane
from tests.support.dispatching import AT, wanted
from tests.support.fleet_of_fakes import NODES, Fakes, Killed, KilledAt
from tests.support.pods_of_others import DRAIN, PLAIN, budget, names, results, run_pod, serves

HELD_UP = "its PodDisruptionBudget forbids it"
HOW = Ended(FAILED, "why", action=UNINSTALL)


class OneShot:
    """A run as a command does it, in a thread."""

    def __init__(self, fakes: Fakes, wish: Wanted) -> None:
        self._fakes, self._came = fakes, list[Came]()
        self.around = fakes.around(threading.Event())
        self._thread = threading.Thread(target=self._run, args=(wish,), daemon=True)
        self._thread.start()

    def _run(self, wish: Wanted) -> None:
        self._came.append(dispatch_here(self._fakes.api, wish, self.around))

    def interrupted(self, seconds: float = 60) -> Came:
        """Stop it as a signal does; return what it came to."""
        self.around.stop.set()
        self._thread.join(seconds)
        [came] = self._came
        self._fakes.release()
        return came


def held_up(prod: Fakes, *nodes: str, wish: Wanted | None = None) -> OneShot:
    """Have a run wait, on each node, for a pod that may not leave."""
    _forbid(prod, nodes)
    found = OneShot(prod, wish or wanted(DRAIN))
    _wait(prod, nodes)
    return found


def stopped(prod: Fakes, *nodes: str, wish: Wanted, once: bool = True) -> Dispatcher:
    """Have a dispatcher wait so, and stop it; nothing is given back yet."""
    _forbid(prod, nodes)
    stop = threading.Event()
    found = prod.dispatcher(wish, stop=stop)
    thread = threading.Thread(target=found.run, kwargs={"once": once}, daemon=True)
    thread.start()
    _wait(prod, nodes)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    prod.release()
    return found


def _forbid(prod: Fakes, nodes: tuple[str, ...]) -> None:
    for name in nodes:
        run_pod(prod, f"web-{name}", name)
    budget(prod, 0)
    prod.waits.clear()


def _wait(prod: Fakes, nodes: tuple[str, ...]) -> None:
    prod.until(lambda: {node for node, why in prod.waits if HELD_UP in why} == {*nodes})


def is_as_before(fakes: Fakes, name: str) -> bool:
    node = fakes.node(name)
    return serves(fakes, name) and (node.claim, node.last) == ("", None)


def test_nodes_that_wait_for_pods_to_leave_are_given_back(prod: Fakes) -> None:
    prod.add("n1", "n2")
    came = held_up(prod, "n1", "n2").interrupted()
    assert (came.given_back, came.kept, came.cordoned) == (("n1", "n2"), {}, ())
    assert came.untouched == dict.fromkeys(("n1", "n2"), "it was interrupted, and given back")
    assert (came.ends, came.exit_code) == ((), 1)
    assert is_as_before(prod, "n1")
    assert is_as_before(prod, "n2")
    assert names(prod) == ["web-n1", "web-n2"]
    prod.until(lambda: prod.pods() == [])
    budget(prod, 2)
    assert results(prod.run(wanted(DRAIN))) == {"n1": "done", "n2": "done"}
    assert prod.errors == []


def test_a_node_on_which_the_engine_is_at_work_is_left_to_it(prod: Fakes) -> None:
    prod.add("silent", "n1")
    run = OneShot(prod, wanted(PLAIN))
    prod.until(lambda: prod.labelled() == ["n1"] and len(prod.pods()) == 1)
    came = run.interrupted()
    assert (came.given_back, came.kept) == ((), {"silent": AT_WORK})
    assert prod.node("silent").claim == "r1"
    assert len(prod.pods()) == 1


def test_a_node_to_which_something_is_brought_before_its_drain_is_given_back(prod: Fakes) -> None:
    prod.add("silent")
    run = OneShot(prod, wanted(DRAIN))
    prod.until(lambda: [each.endswith("-s") for each in prod.pods()] == [True])
    assert run.interrupted().given_back == ("silent",)
    assert is_as_before(prod, "silent")
    prod.until(lambda: prod.pods() == [])


def test_a_node_that_was_to_be_uninstalled_serves_sandboxes_again(prod: Fakes) -> None:
    prod.add("n1")
    prod.run(wanted(PLAIN))
    before = prod.last("n1")
    run = held_up(prod, "n1", wish=wanted(DRAIN, run="r2", action="uninstall"))
    assert prod.labelled() == []
    assert run.interrupted().given_back == ("n1",)
    assert (prod.labelled(), prod.last("n1"), prod.node("n1").claim) == (["n1"], before, "")
    assert serves(prod)


def test_what_an_earlier_run_has_cordoned_and_claimed_is_uncordoned_and_stays_claimed(prod: Fakes) -> None:
    prod.add("n1")
    stopped(prod, "n1", wish=wanted(DRAIN))
    found = prod.dispatcher(wanted(DRAIN, run="r2"))
    found.known.put_node(prod.node("n1"))
    came = GivingBack(prod.api, found, prod.around(prod.stop)).within(10)
    assert ([*came.nodes], came.kept) == (["n1"], {})
    assert (serves(prod), prod.node("n1").claim) == (True, "r1")


def test_a_node_whose_pod_may_have_been_made_is_not_given_back(prod: Fakes) -> None:
    """The answer to the request is lost, and the pod may come later than it is looked for."""
    prod.add("n1")
    stop, writes = threading.Event(), []

    def lost() -> None:
        writes.append(1)
        if len(writes) == 2:
            stop.set()
            raise ApiError("it does not answer", "", where="", status=0, reason="")

    found = prod.dispatcher(wanted(PLAIN), stop=stop, before_write=lost)
    found.run(once=True)
    came = GivingBack(prod.api, found, prod.around(stop)).within(10)
    assert (came.nodes, came.kept) == ({}, {"n1": NOT_KNOWN})
    assert prod.node("n1").claim == "r1"
    prod.release()
    assert results(prod.run(wanted(PLAIN))) == {"n1": "done"}


def test_a_dispatcher_that_stays_gives_nothing_back_for_the_next_one_goes_on(prod: Fakes) -> None:
    prod.add("n1")
    stopped(prod, "n1", wish=wanted(DRAIN), once=False)
    assert (prod.node("n1").claim, prod.node("n1").has_our_cordon) == ("r1", True)


def test_one_that_is_killed_while_it_gives_nodes_back_is_followed_by_a_run_that_ends_it(prod: Fakes) -> None:
    prod.add("n1", "n2")
    number, was_killed = 0, True
    while was_killed:
        found = stopped(prod, "n1", "n2", wish=wanted(DRAIN, run=f"a{number}"))
        was_killed = _killed_at(prod, number, found)
        budget(prod, 2)
        assert results(prod.run(wanted(DRAIN, run=f"a{number}"))) == {"n1": "done", "n2": "done"}
        assert (serves(prod, "n1"), serves(prod, "n2"), prod.pods(), names(prod)) == (True, True, [], [])
        prod.run(wanted(PLAIN, run=f"b{number}", action="uninstall"))
        number += 1
    assert number > 3  # two nodes, and a pod on each


def _killed_at(fakes: Fakes, number: int, found: Dispatcher) -> bool:
    """Give back until the nth write, and be killed there; tell whether it came to that."""
    api = Api(fakes.plane.access, before_write=KilledAt(number))
    try:
        GivingBack(api, found, fakes.around(threading.Event())).within(20)
    except Killed:
        return True
    return False


def test_a_server_that_hangs_holds_the_end_up_for_some_seconds_and_a_second_signal_ends_it_at_once(
    prod: Fakes, plane: ControlPlane
) -> None:
    prod.add("n1")
    for is_twice, why, most_seconds in ((False, NO_ANSWER, 20), (True, AT_ONCE, 5)):
        prod.api.delete("/api/v1/namespaces/prod/pods/web-n1", gracePeriodSeconds=0)
        run = held_up(prod, "n1", wish=wanted(DRAIN, run=f"r{is_twice:d}"))
        os.kill(plane.server.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            if is_twice:
                run.around.at_once.set()
            run.around.stop.set()
            run._thread.join(60)
            took = time.monotonic() - began
        finally:
            os.kill(plane.server.pid, signal.SIGCONT)
        came = run.interrupted()
        assert took < most_seconds
        assert (came.given_back, [*came.kept], came.cordoned) == ((), ["n1"], ("n1",))
        assert why in came.kept["n1"] or "does not answer" in came.kept["n1"]


@pytest.mark.parametrize("before", [DONE, FAILED])
def test_an_uninstall_that_does_not_come_to_its_end_gives_the_label_back(fakes: Fakes, before: str) -> None:
    """A node whose upgrade has failed is as before it: it serves, though its last run did not."""
    wish = wanted()
    settings = Members(wish).settings("n1")
    fakes.add("n1")
    mark = Last("r0", "install", before, wish.digest, "12345678", AT)
    changed = {"labels": {settings.label.key: "true"}, "annotations": {LAST: mark.text()}}
    fakes.api.patch(f"{NODES}/n1", {"metadata": changed})
    actor = Actor(fakes.api, NAMESPACE, utc_now, "test")
    for ends in ("given back", "failed"):
        claimed = _unless_changed(lambda: actor.claim(fakes.node("n1"), wish, settings, UNINSTALL))
        assert settings.label.key not in claimed.labels
        if ends == "given back":
            after = _unless_changed(lambda: actor.give_back(fakes.node("n1"), wish, settings, UNINSTALL))
        else:
            after = _unless_changed(lambda: actor.finish(fakes.node("n1"), settings, HOW))
        assert (after.labels.get(settings.label.key), after.unlabelled, after.claim) == ("true", None, "")


def _unless_changed(act: Callable[[], NodeView]) -> NodeView:
    """Do it again where the Node has changed since it was read: KWOK makes it Ready, say."""
    while True:
        try:
            return act()
        except ApiError as error:
            if error.status != 409:
                raise
