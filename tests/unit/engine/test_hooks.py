"""The commands before and after a node: real ones, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.engine.hooks import Hooks
from nodeprov.errors import NodeprovError
from nodeprov.inventory import RolloutSettings
from nodeprov.plan.plan import INSTALL, Outcome, Plan

OUTCOME = Outcome(Plan("worker1", INSTALL, ()))


def hooks(**said: str) -> Hooks:
    return Hooks(RolloutSettings(**said), "worker1", "install")  # type: ignore[arg-type]


def test_nothing_is_run_where_nothing_is_said() -> None:
    hooks().before()
    assert hooks().after(OUTCOME) is OUTCOME


def test_they_know_the_node_and_what_is_done_on_it_and_how_it_ended(tmp_path: Path) -> None:
    said = tmp_path / "said"
    tell = f'echo "$NODEPROV_NODE $NODEPROV_ACTION $NODEPROV_RESULT" >> {said}'
    both = hooks(before=tell, after=tell)
    both.before()
    assert both.after(OUTCOME) == OUTCOME
    both.after(Outcome(OUTCOME.plan, error=NodeprovError("it breaks")))
    assert said.read_text() == "worker1 install \nworker1 install done\nworker1 install failed\n"


def test_one_that_fails_before_a_node_is_an_error_with_what_it_said() -> None:
    with pytest.raises(NodeprovError) as failed:
        hooks(before="echo no silence >&2; exit 3").before()
    assert str(failed.value) == (
        "worker1: [rollout] before ended with 3: no silence\n"
        "hint: run it by hand: NODEPROV_NODE=worker1 NODEPROV_ACTION=install sh -c ..."
    )


def test_one_that_fails_after_a_node_leaves_it_as_it_is() -> None:
    outcome = hooks(after="exit 7").after(OUTCOME)
    assert (outcome.error, outcome.exit_code) == (None, 1)
    assert outcome.later is not None
    assert outcome.later.message == "[rollout] after ended with 7: it printed nothing"


def test_one_that_does_not_end_is_ended() -> None:
    slow = Hooks(RolloutSettings(before="sleep 60", hook_timeout_seconds=1), "worker1", "install")
    with pytest.raises(NodeprovError, match=r"\[rollout\] before: sh did not end within 1 s"):
        slow.before()
