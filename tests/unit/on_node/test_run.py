"""What a run in a pod does about others that work on its node."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from nodeprov.engine.lock import Lock
from nodeprov.hosts.base import Place
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import parse
from nodeprov.on_node.run import NodeRun
from tests.support.played_node import HOME, INVENTORY, PlayedNode
from tests.support.pods import ASKED
from tests.support.samples import a_run, release


def test_another_run_is_waited_for_and_named_where_it_does_not_end(node: PlayedNode, tmp_path: Path) -> None:
    [worker] = parse(INVENTORY, "x").nodes
    made = release(tmp_path, content=b"#!/bin/sh\n")
    with LocalNode("worker1", enter=node.enter) as ours, LocalNode("worker1", enter=node.enter) as theirs:
        clock = count(step=50.0).__next__
        run = NodeRun(ASKED, worker, ours, lambda *_: made, a_run(), clock)
        with Lock(theirs.of(worker)[Place.NODE], f"{HOME}/state", "ann@laptop since now"):
            result = run.result()
        assert result.error is not None
        assert "another run holds this node: ann@laptop since now" in result.error.what
        assert (result.exit, result.outcome) == (1, "failed")
        assert run.result().outcome == "done"
