"""The text of a first inventory, reviewed as a whole, and what kubectl and ~/.ssh/config know for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import NodeprovError
from nodeprov.inventory import parse
from nodeprov.inventory.draft import (
    Access,
    DraftMachine,
    FoundNode,
    Machines,
    draft_text,
    found_nodes,
    machines_of,
    ssh_aliases,
    with_kubectl_host,
)
from tests.support.inventories import as_shown
from tests.support.kubectl_answers import item
from tests.support.samples import golden

VERSION = "20260905.0"


def node(
    name: str, *addresses: str, control_plane: bool = False, system: str = "linux", architecture: str = "amd64"
) -> FoundNode:
    return FoundNode(name, addresses, system, architecture, control_plane)


MASTER = node("master", "10.0.0.10", "192.0.2.10", control_plane=True)
WORKERS = (node("worker-1", "10.0.0.11"), node("worker-2.example.com", "10.0.0.12"))


def text(machines: Machines, access: Access | None = None, base_url: str | None = None) -> str:
    return draft_text(machines, access or Access(), version=VERSION, base_url=base_url, path="nodeprov.toml")


def test_the_least_inventory_is_the_one_that_was_reviewed() -> None:
    golden(
        "inventory/init-least.toml",
        text(Machines((DraftMachine("worker1", "10.0.0.11"), DraftMachine("worker2")))),
    )


def test_an_inventory_of_a_cluster_is_the_one_that_was_reviewed() -> None:
    found = (MASTER, *WORKERS, node("worker-3", "10.0.0.13"), node("worker-4"), node("win-1", system="windows"))
    machines, host = with_kubectl_host(machines_of(found, {"worker-3"}), "10.0.0.10", found)
    access = Access("admin", 2222, "~/.ssh/id_ed25519", "~/.ssh/known", host, "/etc/kubernetes/admin.conf", "kind")
    golden("inventory/init-cluster.toml", text(machines, access, "https://mirror.example.com/gvisor"))


def test_what_is_commented_out_is_valid_too() -> None:
    machines = Machines((DraftMachine("worker1", "10.0.0.11"),), (DraftMachine("control-plane"),))
    parse(as_shown(text(machines)), "nodeprov.toml")


def test_control_plane_nodes_are_hosts_and_nothing_is_installed_there() -> None:
    machines = machines_of((MASTER, *WORKERS), ())
    assert [each.name for each in machines.nodes] == ["worker-1", "worker-2.example.com"]
    assert machines.hosts == (DraftMachine("master", "10.0.0.10"),)


def test_where_every_node_is_of_the_control_plane_they_are_what_there_is() -> None:
    machines = machines_of((MASTER,), ())
    assert (machines.nodes, machines.hosts) == ((DraftMachine("master", "10.0.0.10"),), ())


def test_a_node_in_the_configuration_of_ssh_has_no_address_and_says_so() -> None:
    entry = machines_of(WORKERS, {"worker-1"}).nodes[0]
    assert entry == DraftMachine("worker-1", note="as ~/.ssh/config says: it has a Host of this name")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((), "the cluster has no node for the runtime: it has no nodes"),
        ((node("win-1", system="windows"),), "no node for the runtime: win-1 is windows/amd64"),
        (
            (node("old-1", architecture="s390x"),),
            "old-1 is linux/s390x: the runtime is for linux, amd64 and arm64",
        ),
    ],
)
def test_a_cluster_without_a_node_for_the_runtime_is_refused(found: tuple[FoundNode, ...], said: str) -> None:
    with pytest.raises(NodeprovError, match=said):
        machines_of(found, ())


@pytest.mark.parametrize(
    ("address", "name", "hosts"),
    [
        ("master", "master", (DraftMachine("master", "10.0.0.10"),)),
        ("10.0.0.10", "master", (DraftMachine("master", "10.0.0.10"),)),
        ("192.0.2.10", "master", (DraftMachine("master", "192.0.2.10"),)),
        ("worker-1", "worker-1", (DraftMachine("master", "10.0.0.10"),)),
        ("10.0.0.99", "kubectl", (DraftMachine("master", "10.0.0.10"), DraftMachine("kubectl", "10.0.0.99"))),
        ("fd00::1", "kubectl", (DraftMachine("master", "10.0.0.10"), DraftMachine("kubectl", "fd00::1"))),
        (
            "bastion.example.com",
            "bastion.example.com",
            (DraftMachine("master", "10.0.0.10"), DraftMachine("bastion.example.com")),
        ),
        ("Bastion_1", "kubectl", (DraftMachine("master", "10.0.0.10"), DraftMachine("kubectl", "Bastion_1"))),
    ],
)
def test_the_machine_that_runs_kubectl_is_one_of_the_others_or_one_more(
    address: str, name: str, hosts: tuple[DraftMachine, ...]
) -> None:
    found = (MASTER, *WORKERS)
    machines, host = with_kubectl_host(machines_of(found, ()), address, found)
    assert (host, machines.hosts) == (name, hosts)
    inventory = parse(text(machines, Access(kubectl_host=host)), "i.toml")
    assert inventory.nodes[0].settings.cluster.host == host


def test_one_that_ssh_knows_stays_as_ssh_knows_it() -> None:
    machines, _ = with_kubectl_host(machines_of((MASTER, *WORKERS), {"master"}), "192.0.2.10", (MASTER,))
    assert machines.hosts[0].address is None


def test_answers_that_contradict_each_other_are_refused_with_the_place() -> None:
    twins = Machines((DraftMachine("a", "10.0.0.1"), DraftMachine("b", "10.0.0.1")))
    with pytest.raises(
        NodeprovError, match=r"these answers make no inventory:\nnodeprov.toml:\d+: \[nodes.b\] address"
    ):
        text(twins)


words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)


@given(
    st.lists(
        st.from_regex(r"[a-z0-9]([a-z0-9.]{0,5}[a-z0-9])?", fullmatch=True), min_size=1, max_size=3, unique=True
    ),
    words,
    words,
)
def test_law_what_is_written_is_what_was_answered(names: list[str], user: str, context: str) -> None:
    machines = Machines(tuple(DraftMachine(name, f"10.0.0.{number}") for number, name in enumerate(names)))
    try:
        written = text(machines, Access(user=user, context=context, kubeconfig='~/a "b".conf'))
    except NodeprovError:
        assert any(".." in name for name in names)
        return
    inventory = parse(written, "i.toml")
    assert [(each.name, each.ssh.user) for each in inventory.nodes] == [(name, user) for name in names]
    assert inventory.nodes[0].settings.cluster.context == context
    assert inventory.nodes[0].settings.cluster.kubeconfig == '~/a "b".conf'


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


def read(**more: Any) -> FoundNode:
    """A node as kubectl lists it, with more in its labels, spec or status."""
    one = item()
    one["metadata"]["labels"] |= more.get("labels", {})
    one["metadata"] |= {"annotations": more.get("annotations", {})}
    one["status"]["nodeInfo"] |= more.get("information", {})
    (found,) = found_nodes(json.dumps({"items": [one | {"spec": more.get("spec", {})}]}))
    return found


TAINT = {"taints": [{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}]}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            read(information={"containerRuntimeVersion": "cri-o://1.30.2"}),
            "runs its pods by CRI-O: nodeprov provisions",
        ),
        (read(information={"containerRuntimeVersion": "docker://27.1.1"}), "runs its pods by Docker"),
        (read(information={"containerRuntimeVersion": "rkt://1.0"}), "runs its pods by rkt"),
        (read(information={"containerRuntimeVersion": "a\nb://1.0"}), "runs its pods by unknown"),
        (read(labels={"eks.amazonaws.com/compute-type": "fargate"}), "is AWS Fargate: there is no machine"),
        (read(labels={"eks.amazonaws.com/compute-type": "auto"}), "is run by EKS Auto Mode"),
        (read(labels={"type": "virtual-kubelet"}), "is a virtual node"),
        (read(labels={"liqo.io/type": "virtual-node"}), "is a virtual node"),
        (read(labels={"type": "kwok"}), "is a virtual node"),
        (read(annotations={"kwok.x-k8s.io/node": "fake"}), "is a virtual node"),
        (read(spec=TAINT), "is a virtual node"),
        (read(information={"osImage": "Talos (v1.8.0)"}), "runs Talos, which has no SSH"),
        (read(information={"osImage": "Bottlerocket OS 1.20.0 (aws-k8s-1.30)"}), "runs Bottlerocket"),
    ],
)
def test_a_node_that_cannot_be_provisioned_is_left_out_and_it_is_said_why(found: FoundNode, said: str) -> None:
    assert not found.can_run
    machines = machines_of((found, *WORKERS[1:]), ())
    assert [each.name for each in machines.nodes] == ["worker-2.example.com"]
    (left_out,) = machines.left_out
    assert left_out.startswith(f"worker-1 {said}")
    assert left_out in text(machines)


@pytest.mark.parametrize(
    "found",
    [
        read(),
        read(information={"containerRuntimeVersion": "containerd://2.4.2"}),
        read(information={"containerRuntimeVersion": ""}),
        read(information={"containerRuntimeVersion": 7}, labels={"eks.amazonaws.com/compute-type": "ec2"}),
        read(labels={"type": "gpu"}, spec={"taints": None}, annotations=None),
    ],
)
def test_a_node_of_which_nothing_else_is_known_is_provisioned(found: FoundNode) -> None:
    assert found.can_run
