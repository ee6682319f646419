"""What a pod on a node is asked to do, by its environment."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.in_cluster.assignment import Assignment

ASKED = Assignment(run="r1", action="install", node="worker1", node_uid="u-1", machine_id="m-1")


def test_it_is_read_as_it_was_given() -> None:
    assert Assignment.from_environment({**ASKED.environment, "HOME": "/root"}) == ASKED


def test_each_variable_that_is_missing_is_named() -> None:
    environment = {**ASKED.environment, "NODEPROV_RUN": ""}
    del environment["NODEPROV_NODE_UID"]
    with pytest.raises(UsageError, match="not set: NODEPROV_RUN, NODEPROV_NODE_UID") as error:
        Assignment.from_environment(environment)
    assert "nodeprov cluster run" in error.value.hint


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(UsageError, match="NODEPROV_ACTION is 'format', not install or uninstall or stage"):
        Assignment.from_environment({**ASKED.environment, "NODEPROV_ACTION": "format"})
