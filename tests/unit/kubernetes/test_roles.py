"""What nodeprov may do in a cluster."""

from __future__ import annotations

from nodeprov import inventory
from nodeprov.inventory.settings import Label
from nodeprov.kubernetes.roles import ServiceAccount, manifest, roles
from tests.support.samples import golden

TEXT = """\
[release]
version = "20260905.0"
[proof]
namespace = "proofs"
[nodes.worker1]
[nodes.worker2.runtime_class]
name = "sandboxed"
"""


def test_the_roles_name_the_nodes_and_names_of_the_inventory_and_nothing_else() -> None:
    nodes = inventory.parse(TEXT, "inventory.toml").nodes
    text = manifest(roles(nodes, "nodeprov", drain=True), ServiceAccount("kube-system", "nodeprov"))
    golden("cluster/rbac.yaml", text)
    assert '"*"' not in text


def test_one_node_alone_may_be_meant_and_nobody_is_bound() -> None:
    nodes = inventory.parse(TEXT, "inventory.toml").nodes
    text = manifest(roles(nodes[:1], "edge", drain=False), None)
    assert 'resourceNames: ["worker1"]' in text
    assert 'resourceNames: ["gvisor", "gvisor-next"]' in text
    assert "worker2" not in text
    assert "Binding" not in text
    assert "evic" not in text.replace("evicted", "")


def test_what_it_would_also_allow_to_patch_a_node_is_said() -> None:
    text = manifest(roles(inventory.parse(TEXT, "inventory.toml").nodes, "nodeprov", drain=False), None)
    for word in ("labels", "taints", "unschedulable", "ownerReference"):
        assert word in text


def test_the_label_is_one_that_a_kubelet_may_not_set_by_default() -> None:
    """https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction"""
    assert Label().key.partition("/")[0].endswith(".node-restriction.kubernetes.io")


def test_what_a_probe_needs_is_printed_when_it_is_asked_for() -> None:
    nodes = inventory.parse(TEXT, "inventory.toml").nodes
    text = manifest(roles(nodes, "nodeprov", drain=False, probe=True), None)
    assert 'name: "nodeprov-probe"' in text
    assert "privileged pods" in text
    assert "nodeprov-probe" not in manifest(roles(nodes, "nodeprov", drain=False), None)
