"""What an inventory says, read: nodes, hosts, and what is wanted on them."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import Inventory, parse
from tests.support.inventories import LEAST, SHA512, anything, as_shown, as_toml, tables

ROOT = Path(__file__).parents[3]


def test_the_lab_has_two_workers_and_a_master_for_kubectl(lab: Inventory) -> None:
    assert [(node.name, node.ssh.address, node.ssh.user) for node in lab.nodes] == [
        ("worker1", "10.123.0.11", "root"),
        ("worker2", "10.123.0.12", "root"),
    ]
    assert lab.ssh("master").address == "10.123.0.10"
    assert lab.ssh("worker2") == lab.nodes[1].ssh
    assert lab.nodes[0].settings.cluster.host == "master"
    with pytest.raises(KeyError):
        lab.ssh("worker3")


def test_the_example_for_production_is_valid_and_so_is_all_that_it_comments_out() -> None:
    text = (ROOT / "inventory/example.toml").read_text()
    example = parse(text, "inventory/example.toml")
    assert [node.settings.runtime.platform for node in example.nodes] == ["systrap", "kvm", "kvm"]
    assert (
        parse(as_shown(text).replace("128 hex digits", "ab" * 64), "inventory/example.toml").hosts[0].name
        == "control-plane"
    )


def test_a_nodes_own_keys_lie_over_those_of_all_nodes() -> None:
    text = (
        LEAST
        + "address = '10.0.0.1'\nport = 2222\n"
        + "[nodes.worker1.runtime]\nplatform = 'kvm'\n[nodes.worker1.runtime.flags]\ndebug = 'true'\n"
        + "[nodes.worker2]\n[ssh]\nport = 22\nuser = 'admin'\n"
        + "[runtime.flags]\nnetwork = 'host'\ndebug = 'false'\n"
    )
    first, second = parse(text, "i.toml").nodes
    assert (first.ssh.port, first.ssh.user, second.ssh.port) == (2222, "admin", 22)
    assert (first.settings.runtime.platform, second.settings.runtime.platform) == ("kvm", "systrap")
    assert first.settings.runtime.flags == {"network": "host", "debug": "true"}
    assert second.settings.runtime.flags == {"network": "host", "debug": "false"}


def test_an_empty_overhead_is_none_and_a_part_of_it_is_all_of_it() -> None:
    def overhead(said: str) -> typing.Mapping[str, str]:
        text = LEAST + f"[runtime_class]\noverhead = {said}\n"
        return parse(text, "i.toml").nodes[0].settings.runtime_class.overhead

    assert overhead("{}") == {}
    assert overhead("{ memory = '1Gi' }") == {"memory": "1Gi"}


def test_a_home_in_a_path_is_left_as_it_is_written() -> None:
    (node,) = parse(LEAST + "identity_file = '~/.ssh/key'\n", "i.toml").nodes
    assert node.ssh.identity_file == "~/.ssh/key"


def test_tolerations_are_kept_as_they_are_written() -> None:
    toleration = {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    said = "[{ key = 'a', operator = 'Exists', effect = 'NoExecute', tolerationSeconds = 5 }]"
    (node,) = parse(LEAST + f"[runtime_class]\ntolerations = {said}\n", "i.toml").nodes
    assert node.settings.runtime_class.tolerations == (toleration,)


def test_a_node_with_another_release_and_its_own_digests_is_fine() -> None:
    text = (
        f"[release.sha512.x86_64]\nrunsc = '{SHA512}'\n{LEAST}[nodes.worker1.release]\nversion = '20261005.0'\n"
        f"[nodes.worker1.release.sha512.x86_64]\n'gvisor.tar.zstd' = '{SHA512}'\n"
    )
    (node,) = parse(text, "i.toml").nodes
    assert node.settings.release.sha512 == {"x86_64": {"gvisor.tar.zstd": SHA512}}


@given(st.dictionaries(tables, anything, max_size=4))
def test_law_whatever_a_file_says_it_is_an_inventory_or_refused(raw: dict[str, object]) -> None:
    text = "".join(f"{name} = {as_toml(value)}\n" for name, value in raw.items())
    try:
        inventory = parse(text, "i.toml")
    except UsageError:
        return
    assert inventory.nodes
