"""What a dispatcher knows stays what the cluster has."""

from __future__ import annotations

import pytest

from nodeprov.dispatch.known import Known
from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.watch import Gone, Listed, Put
from nodeprov.errors import UsageError
from tests.support.dispatching import IN_POOL, INVENTORY, last, node, pod, wanted


@pytest.fixture
def known() -> Known:
    return Known(wanted())


def test_nodes_that_are_to_be_done_are_due(known: Known) -> None:
    others = [node("n2", labels={}), node("n3", last=last())]
    assert set(known.node_changed(Listed([node("n1"), *others]))) == {"n1", "n2", "n3"}
    assert (known.due, set(known.meant)) == ({"n1": "install"}, {"n1", "n3"})
    known.node_changed(Put(node("n1", labels={**IN_POOL, CLAIM: "r1"}, version="2")))
    assert (known.due, known.changing) == ({}, {"n1"})


def test_what_is_not_in_a_new_list_is_gone(known: Known) -> None:
    known.node_changed(Listed([node("n1"), node("n2")]))
    assert set(known.node_changed(Listed([node("n2")]))) == {"n1", "n2"}
    assert known.nodes.keys() == known.due.keys() == {"n2"}


def test_an_older_state_that_comes_late_does_not_count(known: Known) -> None:
    known.put_node(node("n1", labels={**IN_POOL, CLAIM: "r1"}, version="10"))
    known.put_node(node("n1", version="9"))
    assert known.changing == {"n1"}
    known.put_node(node("n1", uid="another", version="9"))
    assert known.changing == set()


def test_a_node_that_leaves_the_selection_is_to_be_uninstalled(known: Known) -> None:
    known.node_changed(Listed([node("n1", last=last())]))
    known.node_changed(Put(node("n1", last=last(), labels={}, version="2")))
    assert known.due == {"n1": "uninstall"}


def test_another_wish_is_judged_for_all_nodes_and_a_faulty_one_for_none(known: Known) -> None:
    known.node_changed(Listed([node("n1", last=last()), node("n2", labels={"pool": "other"})]))
    with pytest.raises(UsageError):
        known.want(wanted("[release]\nversion = 1\n"))
    assert known.due == {}
    known.want(wanted(INVENTORY.replace("pool=sandboxes", "pool=other"), run="r2"))
    assert known.due == {"n1": "uninstall", "n2": "install"}


def test_pods_that_are_left_keep_a_node_in_work(known: Known) -> None:
    known.node_changed(Listed([node("n1", last=last())]))
    left = pod(node("n1"))
    assert list(known.pod_changed(Listed([left]), proofs=False)) == ["n1"]
    assert list(known.in_work()) == ["n1"]
    assert known.pod("n1", "", is_proof=False) == left
    assert known.pod("n1", "r0", is_proof=False) is None
    known.pod_changed(Gone(left), proofs=False)
    assert list(known.in_work()) == []


@pytest.mark.parametrize("fields", [{"node": ""}, {"node_uid": ""}])
def test_a_pod_that_names_no_node_is_none_of_ours(known: Known, fields: dict[str, str]) -> None:
    """Whoever may make pods may give them our labels."""
    known.put_pod(pod(node("n1"), is_proof=True, **fields))
    assert [*known.in_work()] == []


def test_a_list_of_engines_says_nothing_of_proofs(known: Known) -> None:
    proof = pod(node("n1"), is_proof=True, name="proof", uid="p")
    known.pod_changed(Listed([proof]), proofs=True)
    assert list(known.pod_changed(Listed([]), proofs=False)) == []
    assert known.pod("n1", "r1", is_proof=True) == proof
    assert list(known.pod_changed(Listed([]), proofs=True)) == ["n1"]


def test_a_pod_that_was_made_anew_replaces_the_one_of_its_name(known: Known) -> None:
    old, new = pod(node("n1"), uid="old", version="9"), pod(node("n1"), uid="new", version="8")
    known.put_pod(old)
    known.put_pod(new)
    known.drop_pod(old)
    assert known.pod("n1", "r1", is_proof=False) == new
