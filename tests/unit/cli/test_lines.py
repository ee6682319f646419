"""A run as lines; that a run prints them is in test_watching.py."""

from __future__ import annotations

import pytest

from nodeprov.cli.lines import Lines, wave_text
from nodeprov.engine.events import NodeEvent, WaveEvent


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
    Lines(is_of_many=True).on_rollout(event)
    Lines(is_of_many=False).on_rollout(event)
    assert capsys.readouterr().err == said
