"""The namespaces of killed runs are found again by their node; what pods do in them is seen on real nodes."""

from __future__ import annotations

import re

import pytest

from nodeprov.kubernetes.own_namespace import mark_of


@pytest.mark.parametrize("name", ["worker1", "ip-10-0-0-1.eu-west-1.compute.internal", "n" * 253])
def test_a_node_of_any_name_can_be_in_a_label(name: str) -> None:
    value = mark_of("probe", name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", value)
    assert value == f"probe.{name}" or len(name) > 57


def test_nodes_and_purposes_are_told_apart() -> None:
    marks = {mark_of(purpose, "a" * length) for purpose in ("probe", "calibrate") for length in (1, 100, 101)}
    assert len(marks) == 6
