"""What is read of a node."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError, Problem
from tests.support.samples import good_facts


def test_a_daemon_that_cannot_be_told_from_others_is_not_said_to_be_down() -> None:
    facts = good_facts(daemon=None, undecided=Problem("2 containerds run", "say which one"))
    with pytest.raises(NodeprovError, match="2 containerds run") as caught:
        assert facts.running_daemon
    assert caught.value.hint == "say which one"
