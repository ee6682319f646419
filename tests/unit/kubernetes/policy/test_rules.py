"""The rules as data; tests/cluster/test_policy.py holds them against what an API server does by them."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.kubernetes.policy.rules import RULES, chosen


def test_all_rules_hold_but_those_that_are_left_out() -> None:
    assert chosen(()) == RULES
    left = chosen(["host-path", "capabilities"])
    assert {rule.name for rule in RULES} - {rule.name for rule in left} == {"host-path", "capabilities"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("host-pth", "did you mean host-path? rules: host-network, host-pid"),
        ("xyz", "hint: rules: host-network"),
        ("sandbox", "this rule is what the policy is for"),
    ],
)
def test_a_name_of_no_rule_is_refused_with_what_to_type(name: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen([name])
    assert said in str(refused.value)


def test_ports_of_a_pod_in_the_network_of_the_node_are_ports_of_the_node() -> None:
    spec = {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b"}]}
    found = {rule.name: where for rule in RULES if (where := rule.breaks(spec))}
    assert found == {"host-network": ["hostNetwork"], "host-ports": ["container a"]}


def test_an_empty_spec_and_one_with_nulls_break_nothing() -> None:
    for spec in ({}, {"containers": None, "volumes": None}, {"containers": [{"securityContext": None}]}):
        assert [rule.name for rule in RULES if rule.breaks(spec)] == []
