"""What is done where not every node can be planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from nodeprov.cli.session import SKIP, plan_ready, print_errors
from nodeprov.engine.fleet import Fleet, Results
from nodeprov.engine.look import Uninstall
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError
from nodeprov.inventory import parse
from nodeprov.runtimes.gvisor.family import GVISOR

TEXT = '[release]\nversion = "20260905.0"\n'
SIXTY = parse(TEXT + "".join(f"[nodes.n{number}]\n" for number in range(60)), "i.toml").nodes


class Silent(Fleet):
    """Nodes of which only some answer, and which note for how many a plan is made."""

    def __init__(self, nodes: Sequence[Any], answering: Sequence[str], planned: list[int]) -> None:
        super().__init__(nodes, cast(Any, None))
        self._answering, self._counts = answering, planned

    def only(self, nodes: Sequence[Any]) -> Fleet:
        return Silent(nodes, self._answering, self._counts)

    def plan(self, want: Any, reads: Any = None) -> Results[Planned]:
        self._counts.append(len(self.nodes))
        answers = [
            cast(Planned, type("P", (), {"node": node}))
            if node.name in self._answering
            else NodeprovError("cannot be reached", "try: ssh")
            for node in self.nodes
        ]
        return Results.of(answers, self.nodes)


@pytest.mark.parametrize(
    ("answering", "count", "way_on"),
    [
        (["n7"], "the reasons above concern 59 of 60 nodes", True),
        ([node.name for node in SIXTY[1:]], "the reason above concerns 1 of 60 nodes", True),
        ([], "the reasons above concern 60 of 60 nodes", False),
    ],
)
def test_of_how_many_nodes_it_is_and_how_to_go_on_with_the_rest(
    answering: list[str], count: str, way_on: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_errors(Silent(SIXTY, answering, []).plan(Uninstall(GVISOR)), way_on=SKIP)
    *_, last = capsys.readouterr().err.partition(count)
    assert last == (f"\nhint: {SKIP}\n" if way_on else "\n")


def test_of_one_node_nothing_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_errors(Silent(SIXTY[:1], [], []).plan(Uninstall(GVISOR)), way_on=SKIP)
    assert capsys.readouterr().err == "n0: cannot be reached\nhint: try: ssh\n"


@pytest.mark.trouble(
    "58 of 60 nodes do not answer",
    "a count; no node is changed, or with --skip-unready only the two that answer",
)
def test_the_rest_is_planned_anew_for_what_leaves_the_cluster_depends_on_who_leaves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts: list[int] = []
    fleet, plans, skipped = plan_ready(Silent(SIXTY, ["n7", "n8"], counts), Uninstall(GVISOR), skip=True)
    assert [node.name for node in fleet.nodes] == ["n7", "n8"]
    assert (len(plans.good), plans.errors, len(skipped)) == (2, [], 58)
    assert counts == [60, 2]
    assert "58 of 60 nodes" in capsys.readouterr().err


@pytest.mark.parametrize(("skip", "answering"), [(False, ["n7"]), (True, [])])
def test_nothing_is_left_out_unless_it_is_asked_for_and_some_are_left(skip: bool, answering: list[str]) -> None:
    _, plans, skipped = plan_ready(Silent(SIXTY, answering, []), Uninstall(GVISOR), skip=skip)
    assert len(plans.errors) == 60 - len(answering)
    assert skipped == ()
