"""What kubectl and ~/.ssh/config tell of machines, and what a hostile cluster may say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.inventory.discovered import FoundNode, found_nodes, ssh_aliases
from tests.support.kubectl_answers import item


def found(*items: dict[str, Any]) -> tuple[FoundNode, ...]:
    return found_nodes(json.dumps({"kind": "List", "items": items}))


def test_a_node_has_its_addresses_inside_of_the_cluster_first() -> None:
    addresses = (
        ("ExternalIP", "192.0.2.1"),
        ("InternalIP", "10.0.0.11"),
        ("InternalIP", "fd00::11"),
        ("Hostname", "x"),
    )
    (node,) = found(item(addresses=addresses))
    assert node.addresses == ("10.0.0.11", "fd00::11", "192.0.2.1")


@pytest.mark.parametrize("role", ["control-plane", "master"])
def test_a_control_plane_node_is_known_by_its_role_of_now_and_of_before_kubernetes_1_24(role: str) -> None:
    labelled = item()
    labelled["metadata"]["labels"][f"node-role.kubernetes.io/{role}"] = ""
    assert [node.is_control_plane for node in found(labelled, item("b"))] == [True, False]


@pytest.mark.parametrize(
    ("system", "architecture", "can_run"),
    [
        ("linux", "amd64", True),
        ("linux", "arm64", True),
        ("linux", "riscv64", False),
        ("windows", "amd64", False),
    ],
)
def test_gvisor_is_for_linux_on_two_architectures(system: str, architecture: str, can_run: bool) -> None:
    assert found(item(system=system, architecture=architecture))[0].can_run == can_run


@pytest.mark.parametrize("said", ["linux\n[nodes.evil]", "", None, ["linux"], "Linux"])
def test_a_system_that_is_no_word_is_unknown(said: Any) -> None:
    (node,) = found(item(system=said, architecture=said))
    assert (node.system, node.architecture) == ("unknown", "unknown")


def test_an_address_that_is_none_is_left_out() -> None:
    addresses = (("InternalIP", "-oProxyCommand=x"), ("InternalIP", 'x"\ny'), ("InternalIP", "10.0.0.1"))
    assert found(item(addresses=addresses))[0].addresses == ("10.0.0.1",)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "error: no configuration",
        "[]",
        "null",
        "{}",
        '{"items": [{}]}',
        '{"items": [null]}',
        json.dumps({"items": [item(name="a\n[x]")]}),
        json.dumps({"items": [{"metadata": {"name": "a"}, "status": {"nodeInfo": None}}]}),
    ],
)
def test_what_is_no_list_of_nodes_is_refused(said: str) -> None:
    with pytest.raises(NodeprovError, match="kubectl printed no list of nodes"):
        found_nodes(said)


def test_the_names_of_ssh_are_those_of_host_lines_without_wildcards() -> None:
    config = """
Host worker-1 worker-2  # two
  HostName 10.0.0.1
HOST=worker-3
host = worker-4
\tHost "worker-5"
Host worker-* !worker-6 ? gpu-1
HostName worker-7
Match host worker-8
# Host worker-9
Host "worker-10
"""
    assert ssh_aliases(config) == {"worker-1", "worker-2", "worker-3", "worker-4", "worker-5", "gpu-1"}
