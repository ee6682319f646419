"""A fault of nodeprov itself fails the node that it concerns; the others go on, and it can be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from nodeprov.dispatch import doing
from nodeprov.dispatch.actor import Actor
from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.numbers import numbers
from nodeprov.dispatch.views import NodeView
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import Fakes, inventory
from tests.support.in_force import policy, wait_for_policies

MANY = inventory(max_unavailable="100%", max_failures=100)
SLOW = f"{MANY}[proof]\ntimeout_seconds = 5\n"


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have what an actor does be wrong for the node n1."""

    def breaks(name: str) -> None:
        does = getattr(Actor, name)

        def wrong(self: Actor, node: NodeView, *arguments: Any, **options: Any) -> Any:
            if node.name == "n1":
                raise ZeroDivisionError("this cannot be")
            return does(self, node, *arguments, **options)

        monkeypatch.setattr(Actor, name, wrong)

    return breaks


def results(found: Dispatcher) -> dict[str, str]:
    return {each.node: each.ended.result for each in found.ends}


@pytest.mark.parametrize(
    ("doing", "result"), [("claim", "failed"), ("make_engine", "failed"), ("make_proof", "between")]
)
def test_it_fails_one_node_in_words_and_the_others_go_on(
    fakes: Fakes, breaks: Callable[[str], None], doing: str, result: str
) -> None:
    breaks(doing)
    fakes.add("n1", "n2")
    found = fakes.run(wanted(MANY))
    assert results(found) == {"n1": result, "n2": "done"}
    assert fakes.labelled() == ["n2"]
    node = fakes.node("n1")
    assert node.last is not None
    assert (node.claim, node.last.run, node.last.result) == ("", "r1", result)
    assert node.last.why.startswith(
        "a fault of nodeprov: ZeroDivisionError: this cannot be (test_faults.py, line "
    )
    [event] = fakes.events()
    assert "hint: report it, with the log of the dispatcher" in event
    [(name, traceback)] = fakes.faults
    assert (name, "ZeroDivisionError: this cannot be" in traceback) == ("n1", True)
    assert "nodeprov_faults_total 1" in numbers(found, leads=True)
    assert fakes.pods() == []


def test_a_node_on_which_that_cannot_be_written_is_given_up_and_tried_again_by_another_run(
    fakes: Fakes, breaks: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks("make_engine")
    breaks("finish")
    fakes.add("n1", "n2")
    found = fakes.run(wanted(MANY))
    assert results(found) == {"n1": "failed", "n2": "done"}
    assert fakes.node("n1").claim == "r1"
    assert len(fakes.faults) == 2
    monkeypatch.undo()
    assert results(fakes.run(wanted(MANY))) == {"n1": "done"}
    assert (fakes.labelled(), fakes.pods()) == (["n1", "n2"], [])


def test_a_fault_in_what_is_next_for_a_node_concerns_that_node_only(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Dispatcher._case

    def wrong(self: Dispatcher, name: str) -> Any:
        if name == "n1" and self.known.nodes[name].claim:
            raise KeyError(name)
        return case(self, name)

    monkeypatch.setattr(Dispatcher, "_case", wrong)
    fakes.add("n1", "n2")
    assert results(fakes.run(wanted(MANY))) == {"n1": "failed", "n2": "done"}


def test_where_every_node_has_one_no_other_is_begun_after_max_failures(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(_self: Actor, *_arguments: Any, **_options: Any) -> Any:
        raise ZeroDivisionError

    for name in ("make_engine", "finish"):
        monkeypatch.setattr(Actor, name, wrong)
    fakes.add("n1", "n2", "n3")
    found = fakes.run(wanted(inventory(max_unavailable="1", max_failures=1)))
    assert len(found.ends) == 1
    assert re.fullmatch("n[123]: a fault of nodeprov", found.turn.why_not)


CLAIMED = f"'{CLAIM}' in {{}}.metadata.?labels.orValue({{{{}}}})"


@pytest.mark.parametrize(
    ("expression", "result", "said"),
    [
        (f"!({CLAIMED.format('object')})", "failed", "n1-is-frozen"),
        (f"!({CLAIMED.format('oldObject')})", "between", "how it ended (done) cannot be written: "),
    ],
)
def test_a_node_that_the_cluster_does_not_let_us_write_to_ends_and_the_others_go_on(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch, expression: str, result: str, said: str
) -> None:
    """A policy of others, say, that freezes some nodes: a run must come to its end, and exit with it."""
    monkeypatch.setattr(doing, "TAKEN_UP_SECONDS", 1.0)
    fakes.add("n1", "n2")
    rule = {"operations": ["UPDATE"], "resources": ["nodes"], "resourceNames": ["n1"]}
    with policy(fakes, "n1-is-frozen", rule, expression):
        wait_for_policies(fakes)
        found = fakes.run(wanted(MANY))
    ends = {each.node: each.ended for each in found.ends}
    assert {name: each.result for name, each in ends.items()} == {"n1": result, "n2": "done"}
    assert said in ends["n1"].why
    assert [each.node for each in fakes.told] == ["n1"]
    assert any("n1-is-frozen" in each for each in fakes.events())
