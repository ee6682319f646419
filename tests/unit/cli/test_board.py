"""What every node of a run is doing, from the events of the run."""

from __future__ import annotations

import threading

from nodeprov.cli.board import Board, NodeRow
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.plan.steps import Event, Restart
from tests.support.plans import LABELLED, SERVING
from tests.support.runs import DONE, FAILED, plan_of, planned

NAMES = ("worker1", "worker2", "worker3")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def board() -> tuple[Board, Clock]:
    clock = Clock()
    return Board([planned(plan_of(name)) for name in NAMES], clock), clock


def row(of: Board, name: str) -> NodeRow:
    return next(each for each in of.picture().rows if each.node == name)


def test_all_nodes_wait_at_first_in_their_order() -> None:
    rows = board()[0].picture().rows
    assert [(each.node, each.state, each.seconds) for each in rows] == [(name, "waiting", None) for name in NAMES]
    assert rows[0].steps == len(plan_of("worker1").parts)


def test_a_step_begins_a_node_and_its_time() -> None:
    seen, clock = board()
    seen.on_event(Event(LABELLED, "begun", node="worker1"))
    clock.now += 7
    found = row(seen, "worker1")
    assert (found.state, found.seconds, found.steps_done) == ("begun", 7.0, 0)
    assert found.said.startswith("label nodeprov.")
    seen.on_event(Event(LABELLED, "done", node="worker1"))
    seen.on_event(Event(SERVING, "begun", node="worker1"))
    assert (row(seen, "worker1").steps_done, row(seen, "worker1").said) == (1, f"proof: {SERVING.title}")


def test_it_is_said_why_a_restart_takes_long() -> None:
    seen, _ = board()
    seen.on_event(Event(Restart("containerd.service", ()), "begun", node="worker1"))
    assert row(seen, "worker1").said == "restarting containerd, watching it for 6 s"


def test_an_undo_is_seen() -> None:
    seen, _ = board()
    seen.on_event(Event(LABELLED, "undone", node="worker1"))
    assert row(seen, "worker1").said.startswith("taking back: label ")


def test_bytes_are_counted() -> None:
    seen, _ = board()
    seen.on_upload("worker2", "runsc", 40, 400_000_000)
    found = row(seen, "worker2")
    assert (found.state, found.said, found.bytes_done, found.bytes_total) == (
        "begun",
        "uploading",
        40,
        400_000_000,
    )


def test_a_rollout_says_how_long_a_node_took_and_why_another_waits() -> None:
    seen, clock = board()
    seen.on_rollout(NodeEvent("worker1", "begun"))
    clock.now += 12.5  # the clock here is finer than that of the event
    seen.on_rollout(NodeEvent("worker1", "done", seconds=13.0))
    seen.on_rollout(NodeEvent("worker2", "waiting", "drained pods"))
    seen.on_rollout(NodeEvent("worker3", "untouched", "another has failed"))
    assert [(each.state, each.seconds, each.said) for each in seen.picture().rows] == [
        ("done", 12.5, ""),
        ("waiting", None, "drained pods"),
        ("untouched", None, "another has failed"),
    ]


def test_an_outcome_ends_a_node_of_which_no_rollout_has_told() -> None:
    seen, clock = board()
    seen.on_event(Event(LABELLED, "begun", node="worker1"))
    clock.now += 3
    seen.on_outcome(DONE)
    seen.on_outcome(FAILED)
    assert (row(seen, "worker1").state, row(seen, "worker1").seconds) == ("done", 3.0)
    assert (row(seen, "worker2").state, row(seen, "worker2").seconds) == ("failed", None)


def test_an_outcome_does_not_change_what_the_rollout_has_told() -> None:
    seen, _ = board()
    seen.on_rollout(NodeEvent("worker1", "done", seconds=12.5))
    seen.on_outcome(DONE)
    assert row(seen, "worker1").seconds == 12.5


def test_a_node_that_fails_after_its_end_keeps_its_time() -> None:
    seen, clock = board()
    seen.on_rollout(NodeEvent("worker1", "begun"))
    clock.now += 3
    seen.on_rollout(NodeEvent("worker1", "done"))
    clock.now += 60
    seen.on_rollout(NodeEvent("worker1", "failed", "it serves no more"))
    found = row(seen, "worker1")
    assert (found.state, found.seconds, found.said) == ("failed", 3.0, "it serves no more")


def test_waves_go_and_nodes_are_counted() -> None:
    seen, _ = board()
    first = WaveEvent(1, 2, ("worker1",), "begun", "canary")
    seen.on_rollout(first)
    assert seen.picture().waves == (first,)
    seen.on_rollout(WaveEvent(1, 2, ("worker1",), "done", "canary"))
    seen.on_rollout(NodeEvent("worker1", "failed", "no"))
    assert seen.picture().waves == ()
    assert seen.picture().counts() == {"failed": 1, "waiting": 2}


def test_no_event_of_many_threads_is_lost() -> None:
    seen, _ = board()

    def act(name: str) -> None:
        for _ in range(500):
            seen.on_event(Event(LABELLED, "done", node=name))

    threads = [threading.Thread(target=act, args=(name,)) for name in NAMES * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.steps_done for each in seen.picture().rows] == [1000] * 3
