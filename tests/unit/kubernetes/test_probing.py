"""The namespaces of probes are found again by their node; what is asked in them is seen on real nodes."""

import re

import pytest

from nodeprov.kubernetes.probing import label_value


@pytest.mark.parametrize("name", ["worker1", "ip-10-0-0-1.eu-west-1.compute.internal", "n" * 253])
def test_a_node_of_any_name_can_be_in_a_label(name: str) -> None:
    value = label_value(name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", value)
    assert value == name or len(name) > 63


def test_two_long_names_are_told_apart() -> None:
    assert label_value("a" * 100) != label_value("a" * 101)
