"""Actions by their names, which receipts and saved plans have."""

from __future__ import annotations

import pytest

from nodeprov.plan.action import ACTIONS, action_named


@pytest.mark.parametrize("name", ["", "rollback", None, 1])
def test_what_no_action_is_called_is_none(name: object) -> None:
    assert action_named(name) is None


def test_an_action_is_found_by_the_name_that_receipts_hold() -> None:
    assert [action_named(action.name) for action in ACTIONS] == list(ACTIONS)
    assert action_named("destroy") is None
    assert action_named(["install"]) is None
