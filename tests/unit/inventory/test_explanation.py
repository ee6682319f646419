"""The settings of nodes written out: where each came from, and as an inventory that gives the same nodes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov import inventory
from nodeprov.inventory import select
from nodeprov.inventory.explanation import explanation_json, explanation_text, inventory_text, values
from tests.support.inventories import read_latest, read_layered
from tests.support.samples import golden


def test_the_settings_of_several_nodes_are_told_once_where_they_agree() -> None:
    inventory = read_layered(["nodes.gpu-1.runtime.flags.strace=true"], {"NODEPROV_PROOF_IMAGE": "busybox:1.37"})
    common, _, own = explanation_text(inventory, inventory.nodes).partition("\n\n")
    assert common.startswith("all 3 nodes\n  [ssh]\n")
    assert [line.split(maxsplit=2) for line in common.splitlines() if " image " in line] == [
        ["image", '"busybox:1.37"', "environment NODEPROV_PROOF_IMAGE"]
    ]
    golden("inventory/explained.txt", own + "\n")


def test_the_settings_of_one_node_are_told_together() -> None:
    inventory = read_layered()
    text = explanation_text(inventory, inventory.nodes[:1])
    assert text.startswith("worker-1\n  [ssh]\n    address ")
    assert len([line for line in text.splitlines() if line.startswith("    ")]) == len(
        list(values(inventory.nodes[0]))
    )


def test_a_long_value_moves_only_its_own_place_aside() -> None:
    inventory = read_layered([f"runtime.flags.debug-log=/var/log/{'x' * 80}"])
    lines = explanation_text(inventory, inventory.nodes[:1]).splitlines()
    assert max(len(line) for line in lines if "debug-log" not in line) < 110


def test_the_settings_as_json_have_each_value_and_its_place() -> None:
    inventory = read_layered(["ssh.port=2200"])
    (shown,) = json.loads(json.dumps(explanation_json(inventory, select(inventory, ["gpu-1"]))))["nodes"]
    assert (shown["node"], shown["groups"]) == ("gpu-1", ["gpu"])
    by_key = {(each["table"], each["key"]): each for each in shown["settings"]}
    assert by_key["runtime", "flags.network"] == {
        "table": "runtime",
        "key": "flags.network",
        "value": "host",
        "layer": "node",
        "from": "[nodes.gpu-1] inventory.toml:33",
        "line": 33,
    }
    assert (by_key["ssh", "port"]["layer"], by_key["ssh", "port"]["line"]) == ("option", None)
    assert by_key["proof", "image"]["value"] is None


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
