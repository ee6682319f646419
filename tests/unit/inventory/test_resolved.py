"""Settings as an inventory of its own, which gives the same nodes when it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov import inventory
from nodeprov.inventory.resolved import inventory_text
from tests.support.inventories import read_latest


@pytest.mark.parametrize("cluster", ["true", "false"])
def test_effective_settings_are_an_inventory_that_says_the_same(cluster: str) -> None:
    whole = read_latest(cluster)
    again = inventory.parse(inventory_text(whole, whole.nodes), "again")
    for before, after in zip(whole.nodes, again.nodes, strict=True):
        host = before.settings.cluster.host if cluster == "true" else None
        cluster_settings = replace(before.settings.cluster, host=host)
        assert after == replace(before, settings=replace(before.settings, cluster=cluster_settings))
    assert [machine.name for machine in again.hosts] == (["master"] if cluster == "true" else [])


def test_the_lab_and_the_example_are_said_again_too() -> None:
    for path in (Path(__file__).parents[3] / "inventory").glob("*.toml"):
        whole = inventory.parse(path.read_text(), str(path))
        text = inventory_text(whole, whole.nodes)
        assert inventory.parse(text, "again").nodes == whole.nodes
        assert inventory_text(inventory.parse(text, "again"), whole.nodes) == text


def test_a_kubectl_host_that_is_a_node_and_not_chosen_is_still_reached() -> None:
    text = "[release]\nversion = '20260905.0'\n[cluster]\nhost = 'a'\n[nodes.a]\nport = 22\n[nodes.b]\n"
    whole = inventory.parse(text, "x")
    again = inventory.parse(inventory_text(whole, whole.nodes[1:]), "again")
    assert ([node.name for node in again.nodes], again.ssh("a").port) == (["b"], 22)
