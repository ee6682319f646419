"""How a switch has ended."""

from __future__ import annotations

import pytest

from nodeprov.node.switch.values import Switched


@pytest.mark.parametrize(
    ("outcome", "restored"), [("", False), ("kept", False), ("restored", True), ("broken", True)]
)
def test_a_switch_has_gone_back_unless_it_has_not_ended_or_was_kept(outcome: str, restored: bool) -> None:
    assert Switched("000001-install.json", outcome).restored is restored
