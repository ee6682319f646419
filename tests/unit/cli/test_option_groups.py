"""What the groups of options make of what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.option_groups import Told, Waves, Which, WhichNodes, WhichToRead
from nodeprov.errors import UsageError


def test_waves_are_values_of_the_inventory_for_this_run() -> None:
    assert Waves().over(["ssh.port=22"]) == ["ssh.port=22"]
    assert Waves(canary=2, max_unavailable="25%", allow_two_zones=True).over(None) == [
        "rollout.canary=2",
        "rollout.max_unavailable=25%",
        "rollout.allow_two_zones=true",
    ]


@pytest.mark.parametrize(
    ("waves", "option"),
    [(Waves(max_unavailable="many"), "--max-unavailable"), (Waves(window="at night"), "--window")],
)
def test_waves_that_cannot_be_are_refused_by_their_option(waves: Waves, option: str) -> None:
    with pytest.raises(UsageError) as caught:
        waves.over(())
    assert caught.value.message.startswith(f"{option} is ")
    assert option in caught.value.hint


def test_nodes_and_handlers_are_selected() -> None:
    assert WhichNodes(["a"]).selection == Which(["a"]).selection
    assert Which(["a"], handler="runsc-kvm").selection.handler == "runsc-kvm"
    with pytest.raises(UsageError):
        _ = WhichNodes(selector="a in").selection


def test_a_report_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        _ = Told(report=tmp_path / "nowhere" / "report.md").telling


def test_a_command_that_reads_means_all_nodes_where_none_is_named() -> None:
    assert WhichToRead().selection == Which(is_all=True).selection
    assert WhichToRead(["a"]).selection == Which(["a"]).selection
    assert not Which().selection.is_all


def test_a_limit_may_be_given_with_commas_or_again() -> None:
    assert Which(["a*"], limit=["a1,!a2", "a3"]).selection.limit == ("a1", "!a2", "a3")
