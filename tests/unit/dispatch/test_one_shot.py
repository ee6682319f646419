"""What a run that was done from here ends with."""

from __future__ import annotations

import pytest

from nodeprov.dispatch.one_shot import Came, said
from nodeprov.dispatch.steps import Ended
from nodeprov.dispatch.surroundings import NodeEnd


def end(result: str) -> NodeEnd:
    return NodeEnd("n1", Ended(result, "" if result == "done" else "the disk is full"), 1.5)


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


def test_an_end_is_told_in_a_line() -> None:
    assert said(end("done")) == "n1: install done"
    assert said(end("failed")) == "n1: install failed: the disk is full"
