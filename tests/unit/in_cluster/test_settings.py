"""Nodes that a cluster has, and the inventory does not name."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.in_cluster.settings import on_node, stand_ins, with_nodes

TEXT = """\
[release]
version = "20260905.0"
[groups.gpu]
nodes = ["gpu-*"]
[groups.gpu.runtime]
platform = "kvm"
"""


def test_a_node_that_is_not_named_has_what_is_said_of_all_and_of_its_groups() -> None:
    whole = with_nodes(f"{TEXT}[nodes.worker1]\naddress = '10.0.0.1'\n", "x", ["worker1", "gpu-1", "gpu-1"])
    settings = {node.name: node.settings for node in whole.nodes}
    assert {name: each.runtime.platform for name, each in settings.items()} == {
        "worker1": "systrap",
        "gpu-1": "kvm",
    }
    assert whole.nodes[0].ssh.address == "10.0.0.1"


def test_an_inventory_need_name_no_node_at_all() -> None:
    assert [node.name for node in with_nodes(TEXT, "x", ["gpu-1"]).nodes] == ["gpu-1"]


def test_a_group_may_be_for_nodes_that_are_elsewhere_or_come_later() -> None:
    [node] = with_nodes(f'{TEXT}[groups.edge]\nnodes = ["edge-7"]\n', "x", ["worker1"]).nodes
    assert (node.name, node.settings.runtime.platform) == ("worker1", "systrap")


@pytest.mark.parametrize("text", ["[release", 'nodes = {}\n[release]\nversion = "20260905.0"\n', "[release]\n"])
def test_what_is_wrong_with_an_inventory_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        with_nodes(text, "x", ["worker1"])


def test_the_node_s_own_engine_has_no_cluster() -> None:
    text = f'{TEXT}[cluster]\nhost = "gpu-1"\n[handlers.runsc-kvm]\nplatform = "kvm"\n'
    [node] = with_nodes(text, "x", ["gpu-1"]).nodes
    clusters = [view.settings.cluster for view in on_node(node).views]
    assert [(each.enabled, each.host) for each in clusters] == [(False, None)] * 2


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("gpu-*", "gpu-a"),
        ("*", "a"),
        ("edge-7", "edge-7"),
        ("*.eu-?.internal", "a.eu-a.internal"),
        ("n[3-5][!a-b]", "n3c"),
        ("n[]x]", "nx"),
    ],
)
def test_each_glob_has_a_node_that_it_fits(glob: str, name: str) -> None:
    assert stand_ins(f'{TEXT}[groups.some]\nnodes = ["{glob}"]\n', "x")[-1] == name


def test_a_machine_that_a_cluster_has_as_a_node_is_no_fault_there() -> None:
    text = f"{TEXT}[hosts.cp1]\naddress = '10.0.0.1'\n"
    assert [node.name for node in with_nodes(text, "x", ["cp1"]).nodes] == ["cp1"]
