"""What cannot be true of all nodes of an inventory together."""

from __future__ import annotations

import pytest

from nodeprov.inventory import parse
from tests.support.inventories import LEAST, faults

OTHER_CLASS = "[nodes.worker2.runtime]\nhandler = 'kvm'\n[nodes.worker2.runtime_class]\nname = 'gvisor-kvm'\n"


def test_two_handlers_do_not_share_a_label() -> None:
    """Each RuntimeClass would send pods also to the nodes of the other."""
    assert "has the handler kvm and the label of worker1, whose handler is runsc" in faults(LEAST + OTHER_CLASS)


@pytest.mark.parametrize(
    "apart",
    ["[nodes.worker2.label]\nkey = 'x/kvm'\n", "[nodes.worker2.runtime_class.node_selector]\nkvm = 'yes'\n"],
)
def test_nodes_of_two_runtime_classes_may_differ(apart: str) -> None:
    first, second = parse(LEAST + OTHER_CLASS + apart, "i.toml").nodes
    assert (first.settings.runtime_class.name, second.settings.runtime_class.name) == ("gvisor", "gvisor-kvm")
