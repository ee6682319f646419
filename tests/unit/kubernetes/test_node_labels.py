"""The labels of a cluster's nodes, as kubectl prints them."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.node_labels import LabelsQuery

QUERY = LabelsQuery(Kubectl(options=("--context", "lab")))


def test_it_is_one_call_that_asks_for_the_labels_alone() -> None:
    assert QUERY.script.startswith(
        "kubectl --context lab get nodes -o 'jsonpath={range .items[*]}{.metadata.name}"
    )
    assert QUERY.script.count("kubectl") == 1


def test_the_labels_of_each_node_are_read() -> None:
    printed = b'w1 {"kubernetes.io/hostname":"w1","zone":"a"}\nw2 {"zone":"b"}\nw3 \n'
    assert QUERY.parse(Output(0, printed, b"")) == {
        "w1": {"kubernetes.io/hostname": "w1", "zone": "a"},
        "w2": {"zone": "b"},
        "w3": {},
    }


@pytest.mark.parametrize("printed", [b"w1 map[zone:a]\n", b"w1 []\n", b'w1 {"zone":1}\n'])
def test_another_form_is_not_understood(printed: bytes) -> None:
    with pytest.raises(NodeprovError, match="its answer is not understood"):
        QUERY.parse(Output(0, printed, b""))


def test_what_the_cluster_forbids_is_said_with_what_to_do() -> None:
    said = b'nodes is forbidden: User "ann" cannot list resource "nodes"'
    with pytest.raises(NodeprovError, match="labels of the cluster's nodes cannot be read") as refused:
        QUERY.parse(Output(1, b"", said))
    assert "nodeprov rbac" in refused.value.hint
