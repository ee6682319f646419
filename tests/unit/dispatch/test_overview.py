"""How the nodes of a cluster stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.overview import overview
from nodeprov.dispatch.views import NodeView
from nodeprov.dispatch.wanted import Members
from tests.support.dispatching import AT, IN_POOL, last, node, wanted

WANTED = wanted()
MEMBERS = Members(WANTED)
KEY = "nodeprov.node-restriction.kubernetes.io/gvisor"
SERVING = {**IN_POOL, KEY: "true"}


def test_nodes_are_counted_by_how_they_stand() -> None:
    nodes = {
        "done": node(last=last(), labels=SERVING),
        "due": node(),
        "changing": node("c", labels={CLAIM: "r1"}, draining=AT),
        "failed": node("f", last=last(result="failed", why="the disk is full")),
        "left": node(labels={}),
    }
    found = overview(nodes, WANTED, MEMBERS)
    assert found.to_json() == {
        "nodes": dict.fromkeys(nodes, 1),
        "failed": {"f": "the disk is full"},
        "drifted": {},
        "draining": {"c": AT},
        "waiting": {},
    }


def test_a_node_on_which_pods_are_waited_for_is_named_with_since_when() -> None:
    found = overview({"n1": node(labels={CLAIM: "r1"}, waiting=AT)}, WANTED, MEMBERS)
    assert (found.waiting, found.draining) == ({"n1": AT}, {})


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (node(last=last()), f"it does not have the label {KEY}=true"),
        (node(last=last(), labels={**IN_POOL, KEY: "no"}), f"it does not have the label {KEY}=true"),
        (node(last=last(), labels=SERVING, handlers=("",)), "its kubelet does not report the handler runsc"),
        (node(last=last(), labels=SERVING, handlers=None), ""),  # a kubelet before 1.30 reports none
        (node(last=last(want="other"), handlers=("",)), ""),  # it is due, and so will be looked at
        (node(last=last(result="failed"), handlers=("",)), ""),
    ],
)
def test_what_an_installed_node_has_lost_is_named(found: NodeView, why: str) -> None:
    assert overview({"n1": found}, WANTED, MEMBERS).drifted == ({"n1": why} if why else {})


def test_of_a_run_that_stages_the_mark_of_that_counts() -> None:
    staged = last(action="stage")
    nodes = {
        "done": node(staged=staged),
        "failed": node("f", last=last(want="other"), staged=replace(staged, result="failed", why="no room")),
        "due": node(last=last(want="other")),
    }
    found = overview(nodes, wanted(action="stage"), MEMBERS)
    assert found.counts == {"changing": 0, "left": 0, **dict.fromkeys(nodes, 1)}
    assert (found.failed, found.drifted) == ({"f": "no room"}, {})
