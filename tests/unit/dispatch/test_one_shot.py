"""What a run that was done from here ends with."""

from __future__ import annotations

import pytest

from nodeprov.dispatch.case import Ended
from nodeprov.dispatch.one_shot import Came, said
from nodeprov.dispatch.surroundings import NodeEnd
from nodeprov.in_cluster.result import NodeResult
from tests.support.dispatching import result


def end(how: str) -> NodeEnd:
    return NodeEnd("n1", Ended(how, "" if how == "done" else "the disk is full"), 1.5)


@pytest.mark.parametrize(
    ("came", "exit_code"),
    [
        (Came((), {}, was_stopped=False), 0),
        (Came((end("done"),), {}, was_stopped=False), 0),
        (Came((end("done"),), {"n2": "the window is closed"}, was_stopped=False), 3),
        (Came((end("done"), end("failed")), {"n2": "n1 failed"}, was_stopped=False), 1),
        (Came((end("failed"), end("between")), {}, was_stopped=False), 4),
        (Came((end("done"),), {}, was_stopped=True), 1),
    ],
)
def test_the_exit_code_says_the_worst(came: Came, exit_code: int) -> None:
    assert came.exit_code == exit_code


def test_an_end_is_told_in_a_line_and_whom_the_restart_has_hit_in_others() -> None:
    assert said(end("done")) == "n1: install done"
    assert said(end("failed")) == "n1: install failed: the disk is full"
    found = NodeResult.from_json(result(hit=("shop/cart-2 (container main) ended",)).encode())
    hit = NodeEnd("n1", Ended("done", found=found), 1.5)
    assert said(hit) == "n1: install done\n  shop/cart-2 (container main) ended"


def test_what_was_given_back_and_what_was_not_is_told_to_programs() -> None:
    came = Came((), {}, was_stopped=True, given_back=("n1",), kept={"n2": "its engine's pod was made"})
    assert came.to_json()["given_back"] == ["n1"]
    assert came.to_json()["not_given_back"] == [{"node": "n2", "why": "its engine's pod was made"}]
