"""Choosing nodes, and what cannot be true of all of them together."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.inventory import Inventory, parse, select
from tests.support.inventories import LEAST, faults, read_layered

FIVE = '[release]\nversion = "latest"\n' + "".join(f"[nodes.{name}]\n" for name in ("b1", "b2", "a1", "a2", "c"))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["c"], ["c"]),
        (["c", "b1"], ["b1", "c"]),
        (["a*"], ["a1", "a2"]),
        (["*"], ["b1", "b2", "a1", "a2", "c"]),
        (["?1", "a1", "b*"], ["b1", "b2", "a1"]),
        (["!c"], ["b1", "b2", "a1", "a2"]),
        (["b*", "!b2"], ["b1"]),
        (["!b2", "b*", "!a*"], ["b1"]),
    ],
)
def test_nodes_are_chosen_once_in_the_order_of_the_inventory(names: list[str], chosen: list[str]) -> None:
    assert [node.name for node in select(parse(FIVE, "i.toml"), names)] == chosen


def test_a_name_that_is_no_nodes_is_refused_with_the_nearest_one(lab: Inventory) -> None:
    with pytest.raises(
        UsageError, match=r"no node of inventory/lab.toml is called wroker1\nhint: did you mean worker1"
    ):
        select(lab, ["worker2", "wroker1"])
    with pytest.raises(UsageError, match=r"matches x\*\nhint: there are: worker1, worker2"):
        select(lab, ["x*"])


def test_a_host_that_only_runs_kubectl_cannot_be_chosen(lab: Inventory) -> None:
    with pytest.raises(UsageError, match=r"master is a host of .* and no node"):
        select(lab, ["master"])


def test_choosing_nothing_is_refused(lab: Inventory) -> None:
    with pytest.raises(UsageError, match="no node is named"):
        select(lab, [])
    with pytest.raises(UsageError, match=r"worker1 !worker\* leaves no node\nhint: there are: worker1, worker2"):
        select(lab, ["worker1", "!worker*"])
    with pytest.raises(UsageError, match="is called wroker2"):
        select(lab, ["!wroker2"])
    with pytest.raises(UsageError, match=r"is called all\nhint: every node: --all"):
        select(lab, ["all"])


def test_nodes_are_chosen_by_the_name_of_a_group() -> None:
    inventory = read_layered()
    assert [each.name for each in select(inventory, ["@gpu"])] == ["worker-2", "gpu-1"]
    assert [each.name for each in select(inventory, ["@old", "worker-1", "@gpu"])] == [
        "worker-1",
        "worker-2",
        "gpu-1",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("@gpus", "no group of inventory.toml is called gpus\nhint: did you mean @gpu?"),
        ("gpu", "gpu is a group of inventory.toml and no node\nhint: write @gpu for its nodes"),
        ("cpu-*", "no node of inventory.toml matches cpu-*\nhint: there are: worker-1, worker-2, gpu-1"),
    ],
)
def test_a_choice_of_nothing_says_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        select(read_layered(), [name])
    assert str(refused.value) == said


def test_a_group_is_asked_for_where_there_are_none() -> None:
    with pytest.raises(UsageError, match=r"hint: describe one: \[groups.NAME\]"):
        select(read_layered(text='[release]\nversion = "latest"\n[nodes.a]\n'), ["@a"])


OTHER_CLASS = "[nodes.worker2.runtime]\nhandler = 'kvm'\n[nodes.worker2.runtime_class]\nname = 'gvisor-kvm'\n"


def test_two_handlers_do_not_share_a_label() -> None:
    """Each RuntimeClass would send pods also to the nodes of the other."""
    assert "has the handler kvm and the label of worker1, which has the handler runsc" in faults(
        LEAST + OTHER_CLASS
    )


@pytest.mark.parametrize(
    "apart",
    ["[nodes.worker2.label]\nkey = 'x/kvm'\n", "[nodes.worker2.runtime_class.node_selector]\nkvm = 'yes'\n"],
)
def test_nodes_of_two_runtime_classes_may_differ(apart: str) -> None:
    first, second = parse(LEAST + OTHER_CLASS + apart, "i.toml").nodes
    assert (first.settings.runtime_class.name, second.settings.runtime_class.name) == ("gvisor", "gvisor-kvm")
