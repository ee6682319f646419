"""A fault of nodeprov itself fails the node that it concerns; the others go on, and it can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodeprov.dispatch.actor import Actor
from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.numbers import numbers
from nodeprov.dispatch.views import NodeView
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import Fakes, inventory

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
    assert found.turn.why_not.startswith("a fault of nodeprov: n")
