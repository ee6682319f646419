"""Handlers besides that of [runtime]: what they have of their own, what of the node, and what is refused."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.inventory import Node, parse
from nodeprov.inventory.explanation import inventory_text
from nodeprov.inventory.locked import locked
from nodeprov.inventory.selection import Selection
from tests.support.inventories import LEAST, faults

LABEL = "nodeprov.node-restriction.kubernetes.io/gvisor"
KVM = '[handlers.runsc-kvm]\nplatform = "kvm"\n'
TEXT = f"""
[release]
version = "20260905.0"
[runtime]
flags = {{ debug = "true" }}
[runtime_class]
overhead = {{ memory = "96Mi" }}
{KVM}flags = {{ network = "host" }}
[nodes.worker1]
[nodes.worker2]
"""


def views_of(text: str = TEXT, *options: str) -> dict[str, Node]:
    node = parse(text, "i.toml", options=options).nodes[0]
    return {view.settings.runtime.handler: view for view in node.views}


def test_a_handler_has_what_its_table_says_and_else_what_the_node_has() -> None:
    views = views_of()
    assert list(views) == ["runsc", "runsc-kvm"]
    kvm = views["runsc-kvm"].settings
    assert (kvm.runtime.platform, kvm.runtime.flags) == ("kvm", {"debug": "true", "network": "host"})
    assert kvm.runtime_class.overhead == {"memory": "96Mi"}
    assert (views["runsc"].settings.runtime.platform, views["runsc"].handlers) == ("systrap", {})


def test_its_runtime_class_and_its_label_have_names_of_their_own() -> None:
    kvm = views_of()["runsc-kvm"].settings
    assert (kvm.runtime_class.name, kvm.label.key, kvm.label.value) == ("gvisor-kvm", f"{LABEL}-kvm", "true")
    other = views_of(TEXT.replace("runsc-kvm", "fast"))["fast"].settings
    assert (other.runtime_class.name, other.label.key) == ("gvisor-fast", f"{LABEL}-fast")
    named = views_of(f'{TEXT}[handlers.runsc-kvm.runtime_class]\nname = "kvm"\n')["runsc-kvm"].settings
    assert named.runtime_class.name == "kvm"


def test_a_node_without_any_is_its_own_view() -> None:
    (node,) = parse(LEAST, "i.toml").nodes
    assert node.views == (node,)


def test_a_group_and_a_node_say_more_of_it_or_have_one_of_their_own() -> None:
    text = f"""{TEXT}[groups.metal]
nodes = ["worker2"]
[groups.metal.handlers.runsc-kvm.runtime_class]
name = "metal"
[groups.metal.handlers.fast]
[nodes.worker2.handlers.fast]
platform = "ptrace"
"""
    text = text.replace('[groups.metal.handlers.runsc-kvm.runtime_class]\nname = "metal"\n', "")
    first, second = parse(text, "i.toml").nodes
    assert (list(first.handlers), list(second.handlers)) == (["runsc-kvm"], ["runsc-kvm", "fast"])
    assert second.handlers["fast"].runtime.platform == "ptrace"


def test_an_option_lies_over_all_that_the_file_says_of_it() -> None:
    views = views_of(TEXT, "handlers.runsc-kvm.platform=ptrace", "handlers.runsc-kvm.runtime_class.name=mine")
    kvm = views["runsc-kvm"]
    assert (kvm.settings.runtime.platform, kvm.settings.runtime_class.name) == ("ptrace", "mine")
    assert kvm.source("runtime", "platform").name == "--set handlers.runsc-kvm.platform"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{LEAST}[handlers.runsc]\n", "[handlers] runsc is the handler that [runtime] describes"),
        (f"{LEAST}[handlers.runc]\n", "[handlers] runc is not the name of a handler of its own"),
        (f"{LEAST}[handlers.A]\n", "[handlers] A is not the name of a handler"),
        (f"{LEAST}[handlers.x]\nhandler = 'y'\n", "[handlers.x] handler is not a key here"),
        (f"{LEAST}[handlers.x.paths]\nprefix = '/a'\n", "[handlers.x] paths cannot be set for one handler"),
        (f"{LEAST}[handlers.x]\noverhead = {{}}\n", "it is a key of [handlers.x.runtime_class]"),
        (f"{LEAST}[handlers.x]\nplatfrom = 'kvm'\n", "[handlers.x] platfrom is not a known key here"),
        (f"handlers = 1\n{LEAST}", "[handlers] is not a table"),
        (
            f"{LEAST}[handlers.x.runtime_class]\nname = 'gvisor'\n",
            "[handlers] x has the RuntimeClass gvisor of the handler runsc: a RuntimeClass leads to one handler\n"
            "hint: give it a name of its own: [handlers.x.runtime_class] name",
        ),
        (
            f"{LEAST}[handlers.kvm]\n[handlers.runsc-kvm]\n",
            "[handlers] runsc-kvm has the RuntimeClass gvisor-kvm of the handler kvm",
        ),
        (f"{LEAST}[handlers.{'a' * 63}]\n", "which is not a label's key"),
        (
            f"{LEAST}[nodes.b]\n[nodes.b.handlers.x.label]\nkey = '{LABEL}'\n",
            "[nodes.b.handlers] x has the handler x and the label of",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_what_to_write(text: str, said: str) -> None:
    assert said in faults(text)


def test_the_label_of_another_one_is_shared_where_all_nodes_have_both() -> None:
    views = views_of(f"{TEXT}[handlers.runsc-kvm.label]\nkey = '{LABEL}'\n")
    assert views["runsc-kvm"].settings.label == views["runsc"].settings.label


def test_one_handler_can_be_chosen_and_another_name_is_refused() -> None:
    whole = parse(TEXT, "i.toml")
    chosen = Selection(is_all=True, handler="runsc-kvm").of(whole, lambda: None)
    assert [(each.name, each.settings.runtime.handler, each.handlers) for each in chosen] == [
        ("worker1", "runsc-kvm", {}),
        ("worker2", "runsc-kvm", {}),
    ]
    with pytest.raises(UsageError, match=r"no handler runsc-kmv for this node\nhint: did you mean runsc-kvm\?"):
        Selection(is_all=True, handler="runsc-kmv").of(whole, lambda: None)


def test_written_out_they_are_read_back_as_they_were() -> None:
    whole = parse(TEXT, "i.toml")
    assert parse(inventory_text(whole, whole.nodes), "i.toml").nodes == whole.nodes


def test_a_lock_counts_for_all_of_them() -> None:
    whole = locked(parse(TEXT.replace("20260905.0", "latest"), "i.toml"), "20260905.0", {})
    assert {view.settings.release.version for node in whole.nodes for view in node.views} == {"20260905.0"}
