"""What is to be done on a node, found in what it carries and in what is wanted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.objects import limits_of
from nodeprov.dispatch.views import NodeView
from nodeprov.dispatch.wanted import Members, Wanted, wish_of
from nodeprov.errors import NodeprovError
from tests.support.dispatching import IN_POOL, INVENTORY, last, node, wanted

WANTED = wanted()
MEMBERS = Members(WANTED)
STAGED = last(action="stage")


@pytest.mark.parametrize(
    ("state", "wish"),
    [
        (node(), "install"),
        (node(labels={}), ""),
        (node(labels={**IN_POOL, "kubernetes.io/os": "windows"}), ""),
        (node(last=last()), ""),
        (node(last=last(run="r0")), ""),
        (node(last=last(want="other")), "install"),
        (node(last=last(machine="another")), "install"),
        (node(last=last(result="failed")), ""),
        (node(last=last(result="between")), ""),
        (node(last=last(result="failed", run="r0")), "install"),
        (node(last=last(action="uninstall", result="failed")), "install"),
        (node(last=last(), labels={**IN_POOL, CLAIM: "r1"}), "install"),
        (node(last=last(), labels={}), "uninstall"),
        (node(last=last(action="uninstall", result="failed"), labels={}), ""),
        (node(labels={CLAIM: "r0"}), "uninstall"),
        (node(staged=STAGED), "install"),
        (node(staged=STAGED, labels={}), "uninstall"),
    ],
)
def test_what_is_wanted_of_a_node(state: object, wish: str) -> None:
    assert wish_of(state, WANTED, MEMBERS) == wish  # type: ignore[arg-type]


def test_an_uninstall_goes_by_what_nodes_carry() -> None:
    leaving = wanted(action="uninstall")
    assert wish_of(node(), leaving, MEMBERS) == ""
    assert wish_of(node(last=last()), leaving, MEMBERS) == "uninstall"
    assert wish_of(node(labels={CLAIM: "r0"}), leaving, MEMBERS) == "uninstall"


def test_without_a_selector_the_inventory_s_own_nodes_are_chosen() -> None:
    members = Members(wanted('[release]\nversion = "20260905.0"\n[nodes.n1]\n'))
    assert members.chooses(node("n1"))
    assert not members.chooses(node("n2"))


def test_a_node_that_the_inventory_does_not_name_has_what_is_said_of_all() -> None:
    named = f'{INVENTORY}[paths]\nprefix = "/opt/all"\n[nodes.n2.paths]\nprefix = "/opt/own"\n'
    members = Members(wanted(named))
    members.learn(["n1", "n3"])
    assert [members.settings(name).paths.prefix for name in ("n1", "n2", "n3", "n4")] == [
        "/opt/all",
        "/opt/own",
        "/opt/all",
        "/opt/all",
    ]


@pytest.mark.parametrize("action", ["install", "stage", "uninstall"])
def test_a_config_map_is_read_back(action: str) -> None:
    written = wanted(action=action, deadline_seconds=60)
    assert Wanted.parse({"data": written.data()}) == written


def _with(**run: object) -> dict[str, object]:
    data = WANTED.data()
    return {"data": {**data, "run.json": json.dumps({**json.loads(data["run.json"]), **run})}}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"data": None},
        {"data": {"run.json": "["}},
        {"data": {"run.json": "{}"}},
        _with(run=7),
        _with(run="Run 7"),
        _with(run=""),
        _with(run="r" * 41),
        _with(engine=None),
        _with(release=["a"]),
        _with(pullSecrets="name"),
        _with(pullSecrets=[1]),
        _with(deadlineSeconds="soon"),
        _with(deadlineSeconds=0),
        _with(action="instal"),
    ],
)
def test_what_is_no_such_config_map_is_refused_with_what_to_do(value: dict[str, object]) -> None:
    with pytest.raises(NodeprovError, match="it is not as nodeprov writes it") as raised:
        Wanted.parse(value)
    assert raised.value.hint == (
        "write it again: nodeprov cluster install --engine-image NAME@DIGEST --release-image NAME@DIGEST"
    )


def test_what_is_wanted_has_another_digest_when_any_part_is_another() -> None:
    changed = [wanted(f"{INVENTORY}# more"), wanted(action="uninstall"), wanted(run="r2")]
    assert [each.digest == WANTED.digest for each in changed] == [False, True, True]


@pytest.mark.parametrize(
    ("state", "wish"),
    [
        (node(), "stage"),
        (node(labels={}), ""),
        (node(last=last(want="other"), labels={}), ""),  # it is uninstalled by the install that follows
        (node(labels={CLAIM: "r0"}), "uninstall"),
        (node(labels={**IN_POOL, CLAIM: "r0"}), "stage"),
        (node(last=last()), ""),
        (node(last=last(want="other")), "stage"),
        (node(last=last(result="failed")), "stage"),
        (node(staged=STAGED), ""),
        (node(staged=replace(STAGED, want="other")), "stage"),
        (node(staged=replace(STAGED, machine="another")), "stage"),
        (node(staged=replace(STAGED, result="failed")), ""),
        (node(staged=replace(STAGED, result="failed", run="r0")), "stage"),
    ],
)
def test_what_an_install_needs_is_brought_where_it_is_not_yet(state: NodeView, wish: str) -> None:
    assert wish_of(state, wanted(action="stage"), MEMBERS) == wish


def test_a_machine_of_hosts_is_not_installed_whatever_its_labels_are() -> None:
    """`nodeprov init --from-cluster` writes the control plane there."""
    text = f"{INVENTORY}[hosts.cp1]\naddress = '10.0.0.1'\n"
    wish = wanted(text)
    members = Members(wish)
    assert not members.chooses(node("cp1"))
    assert wish_of(node("cp1"), wish, members) == ""
    assert wish_of(node("cp1", last=last()), wish, members) == "uninstall"
    assert members.settings("cp1") == members.of_unnamed


OF_GROUPS = """
[groups.gpu]
nodes = ["gpu-*"]
paths.prefix = "/opt/gpu"
label.key = "example.com/gpu-gvisor"
proof.namespace = "gpu-proofs"
runtime_class.name = "gvisor-gpu"
"""


def test_what_groups_say_of_nodes_that_come_later_is_in_roles_policies_and_watches() -> None:
    wish = wanted(INVENTORY + OF_GROUPS)
    members = Members(wish)
    assert members.proof_namespaces == {"default", "gpu-proofs"}
    limits = limits_of(wish, members, "nodeprov-system")
    assert "example.com/gpu-gvisor" in limits.labels
    assert "/opt/gpu/releases" in limits.host_paths
    assert "gvisor-gpu-nodeprov-proof" in limits.proof_classes
    assert not members.chooses(node("gpu-a", labels={}))
