"""How a run ended, as an exit code."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.plan import action
from nodeprov.plan.outcome import Outcome
from nodeprov.plan.plan import Plan


@pytest.mark.parametrize(
    ("error", "left", "code"),
    [
        (None, (), 0),
        (NodeprovError("it is full"), (), 1),
        (UsageError("no such thing"), (), 2),
        (NodeprovError("it is full"), ("/etc/x: somebody else has changed it since",), 4),
        (None, ("/etc/x",), 4),
    ],
)
def test_a_node_between_two_states_counts_more_than_what_failed(
    error: NodeprovError | None, left: tuple[str, ...], code: int
) -> None:
    assert Outcome(Plan("worker1", action.INSTALL, ()), error=error, left=left).exit_code == code
