"""Many nodes: what is done for all of them at the same time, and what for one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodeprov.engine.fleet import Fleet
from nodeprov.engine.look import Install, Uninstall
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Hosts, Place
from nodeprov.inventory import Node, ReleaseSettings, parse
from nodeprov.node.state import Facts
from nodeprov.plan.plan import INSTALL, Plan
from nodeprov.plan.steps import Drain
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import Software
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.memory_host import MemoryHost, MemoryHosts
from tests.support.runtimes import state_of
from tests.support.samples import FakeReader, a_run, good_facts

TEXT = """
[release]
version = "20260905.0"
[nodes.a]
[nodes.b.release.sha512.x86_64]
"gvisor.tar.zstd" = "{pin}"
[nodes.c]
"""
NODES = parse(TEXT.format(pin="ab" * 64), "i.toml").nodes
ALONE = parse(f"{TEXT.format(pin='ab' * 64)}[cluster]\nenabled = false\n", "i.toml").nodes


def in_memory(*names: str) -> MemoryHosts:
    return MemoryHosts({name: {Place.NODE: MemoryHost()} for name in names})


class TestEach:
    def test_results_and_errors_are_told_apart_in_the_order_of_the_nodes(self) -> None:
        fleet = Fleet(NODES, in_memory("a", "c"))
        results = fleet.each(lambda node, hosts: (node.name, set(hosts)))
        assert results.good == [("a", {Place.NODE}), ("c", {Place.NODE})]
        assert [error.message for error in results.errors] == ["no answer"]

    def test_what_is_no_error_of_ours_is_a_fault_and_raised(self) -> None:
        def fails(_node: Node, _hosts: Hosts) -> None:
            raise RuntimeError("a fault")

        with pytest.raises(RuntimeError, match="a fault"):
            Fleet(NODES, in_memory("a", "b", "c")).each(fails)


def planned(node: Node, *, pending: bool = False) -> Planned:
    plan = Plan(node.name, INSTALL, (Drain(()),) if pending else ())
    return Planned(replace(state_of(node.settings, good_facts()), node=node), Install(GVISOR), plan)


class TestApply:
    def test_nodes_go_one_after_the_other_and_the_first_that_fails_is_the_last(self) -> None:
        a, b, c = NODES
        plans = [planned(a), planned(b, pending=True), planned(c, pending=True)]
        fleet = Fleet(NODES, in_memory("a"))
        rollout = fleet.rollout(plans)
        outcomes = list(fleet.carry_out(rollout, a_run()))
        assert [(each.plan.node, each.exit_code) for each in outcomes] == [("a", 0), ("b", 1)]
        assert str(outcomes[-1].error) == "b: no answer"
        assert rollout.untouched == {"b failed": ("c",)}

    def test_nobody_was_kept_from_anything_where_all_went_well(self) -> None:
        plans = [planned(node) for node in NODES]
        outcomes = list(Fleet(NODES, in_memory("a", "b", "c")).apply(plans, a_run()))
        assert [each.exit_code for each in outcomes] == [0, 0, 0]


def on_nodes(**facts: Facts) -> MemoryHosts:
    """Nodes of which these things are known."""
    hosts: dict[str, Any] = {name: {Place.NODE: FakeReader(found, name=name)} for name, found in facts.items()}
    return MemoryHosts(hosts)


class TestPlan:
    def test_a_release_is_obtained_once_for_those_who_expect_the_same_digests_of_it(self, new: Release) -> None:
        asked: list[Any] = []

        def obtain(_software: Software, wanted: ReleaseSettings, _architecture: str) -> Release:
            asked.append(dict(wanted.sha512))
            return new

        plans = Fleet(ALONE, on_nodes(a=good_facts(), b=good_facts(), c=good_facts()), obtain).plan(
            Install(GVISOR)
        )
        assert [each.node.name for each in plans.good] == ["a", "b", "c"]
        assert [each.want for each in plans.good] == [Install(GVISOR, new)] * 3
        assert asked == [{}, {"x86_64": {"gvisor.tar.zstd": "ab" * 64}}]

    def test_a_release_that_cannot_be_had_is_tried_once_and_told_of_each_who_wanted_it(self) -> None:
        tried: list[str] = []

        def obtain(_software: Software, _wanted: ReleaseSettings, architecture: str) -> Release:
            tried.append(architecture)
            raise NodeprovError("it cannot be had")

        plans = Fleet(ALONE, on_nodes(a=good_facts(), b=good_facts(), c=good_facts()), obtain).plan(
            Install(GVISOR)
        )
        assert [each.message for each in plans.errors] == ["it cannot be had"] * 3
        assert (plans.good, len(tried)) == ([], 2)

    def test_a_release_that_could_not_be_had_is_tried_again_for_the_next_plan(self, new: Release) -> None:
        answers: list[Release | NodeprovError] = [NodeprovError("it cannot be had"), new]

        def obtain(_software: Software, _wanted: ReleaseSettings, _architecture: str) -> Release:
            answer = answers.pop(0)
            if isinstance(answer, NodeprovError):
                raise answer
            return answer

        fleet = Fleet(ALONE[:1], on_nodes(a=good_facts()), obtain)
        assert [len(fleet.plan(Install(GVISOR)).errors) for _ in range(2)] == [1, 0]

    def test_nothing_is_obtained_for_a_node_that_cannot_run_it_and_errors_stand_in_the_order_of_nodes(
        self, new: Release
    ) -> None:
        asked: list[str] = []

        def obtain(_software: Software, _wanted: ReleaseSettings, architecture: str) -> Release:
            asked.append(architecture)
            return new

        on_arm, bad = good_facts(architecture="aarch64"), good_facts(user_namespaces=0)
        plans = Fleet(ALONE, on_nodes(a=bad, c=on_arm), obtain).plan(Install(GVISOR))
        assert asked == ["aarch64"]
        assert [each.node.name for each in plans.good] == ["c"]
        assert [str(each).split(":")[0] for each in plans.errors] == ["a", "b"]

    def test_an_uninstall_knows_which_nodes_go_before_it(self) -> None:
        plans = Fleet(ALONE, on_nodes(a=good_facts(), b=good_facts(), c=good_facts())).plan(
            Uninstall(GVISOR, drain=True)
        )
        assert [each.want for each in plans.good] == [
            Uninstall(GVISOR, drain=True, leaving=leaving) for leaving in ((), ("a",), ("a", "b"))
        ]

    def test_what_is_read_of_the_nodes_is_there_for_others_too(self) -> None:
        states = Fleet(ALONE, on_nodes(a=good_facts(), c=good_facts())).look(Install(GVISOR))
        assert [each.node.name for each in states.good] == ["a", "c"]
        assert [each.message for each in states.errors] == ["no answer"]
