"""A run as lines; that a run prints them is in test_watching.py."""

from __future__ import annotations

import pytest

from nodeprov.cli.lines import Lines, clock_text, wave_text
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.plan.steps import Event, Restart
from tests.support.plans import SERVING
from tests.support.runs import PLANS


def test_a_wave_is_told_by_its_kind_or_its_size() -> None:
    assert [
        wave_text(WaveEvent(2, 3, ("a", "b"), "begun", kind)) for kind in ("canary", "wave", "control-plane")
    ] == [
        "wave 2 of 3, canary: a, b",
        "wave 2 of 3, 2 nodes: a, b",
        "wave 2 of 3, control plane: a, b",
    ]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (NodeEvent("a", "waiting"), ""),
        (NodeEvent("a", "waiting", "a pod of default/web"), "a: waiting: a pod of default/web\n"),
        (NodeEvent("a", "begun"), ""),
        (NodeEvent("a", "done", seconds=3.04), "a: done in 3 s\n"),
        (NodeEvent("a", "done"), "a: done\n"),
        (NodeEvent("a", "failed", "it does not serve", 2.0), "a: failed: it does not serve\n"),
        (NodeEvent("a", "untouched", "b has failed"), ""),
        (WaveEvent(1, 2, ("a",), "done"), ""),
    ],
)
def test_of_many_nodes_it_is_told_where_each_is(
    event: NodeEvent | WaveEvent, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Lines(PLANS, lambda: 0.0).on_rollout(event)
    Lines(PLANS[:1], lambda: 0.0).on_rollout(event)
    assert capsys.readouterr().err == said


def test_each_step_has_its_node_and_the_time_since_that_was_begun(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter((0.0, 1.0, 61.0, 62.0, 63.5))
    lines = Lines(PLANS[:1], lambda: next(now))
    lines.on_rollout(NodeEvent("worker1", "begun"))
    for done in (1, 98_000_000, 196_000_000):
        lines.on_upload("worker1", "runsc", done, 196_000_000)
    lines.on_event(Event(Restart("containerd.service", ()), "begun", node="worker1"))
    lines.on_event(Event(SERVING, "done", "CRI is ok", node="worker1"))
    assert capsys.readouterr().err.splitlines() == [
        "worker1: uploading 196 MB  0:01",
        "worker1: uploaded 196 MB  1:01",
        "worker1: restarting containerd.service, watching it for 6 s  1:02",
        "worker1: proven: containerd serves, and goes on serving  1:03",
    ]


@pytest.mark.parametrize(("seconds", "said"), [(None, ""), (7.9, "0:07"), (760, "12:40"), (3723, "1:02:03")])
def test_a_time_is_written_as_a_stop_watch_does(seconds: float | None, said: str) -> None:
    assert clock_text(seconds) == said
