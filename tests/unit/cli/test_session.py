"""What is done where not every node can be planned; and a run of two played nodes, from its plans to its end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import typer  # noqa: TID251  it ends a command

from nodeprov.cli.journal import Journal
from nodeprov.cli.option_groups import Skip
from nodeprov.cli.session import SKIP, carry_out, finish, plan_ready, print_errors
from nodeprov.cli.watching import Telling
from nodeprov.engine.context import RunContext
from nodeprov.engine.fleet import Fleet, Results
from nodeprov.engine.look import Install, Uninstall
from nodeprov.engine.planner import Planned
from nodeprov.engine.rollout import Rollout
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Hosts
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import Node, RolloutSettings, parse
from nodeprov.plan.plan import Outcome
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import INVENTORY, PlayedNode, played_node
from tests.support.samples import release

TEXT = '[release]\nversion = "20260905.0"\n'
SIXTY = parse(TEXT + "".join(f"[nodes.n{number}]\n" for number in range(60)), "i.toml").nodes


def unreached() -> NodeprovError:
    error = NodeprovError("cannot be reached", "try: ssh")
    error.is_unreached = True
    return error


class Silent(Fleet):
    """Nodes of which only some answer, and which note for how many a plan is made."""

    blocked: Sequence[str] = ()

    def __init__(self, nodes: Sequence[Any], answering: Sequence[str], planned: list[int]) -> None:
        super().__init__(nodes, cast(Any, None))
        self._answering, self._counts = answering, planned

    def only(self, nodes: Sequence[Any]) -> Fleet:
        return self.blocking(Silent(nodes, self._answering, self._counts))

    def blocking(self, other: Silent) -> Silent:
        other.blocked = self.blocked
        return other

    def plan(self, want: Any) -> Results[Planned]:
        self._counts.append(len(self.nodes))
        answers = [
            cast(Planned, type("P", (), {"node": node}))
            if node.name in self._answering
            else unreached()
            if node.name not in self.blocked
            else NodeprovError("containerd does not run")
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


def test_those_that_do_not_answer_are_left_out_and_what_blocks_another_stops_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts: list[int] = []
    fleet, plans, skipped = plan_ready(
        Silent(SIXTY[:4], ["n0", "n1"], counts), Uninstall(GVISOR), skip=Skip.UNREACHABLE
    )
    assert ([node.name for node in fleet.nodes], len(skipped), plans.errors) == (["n0", "n1"], 2, [])
    assert "the reasons above concern 2 of 4 nodes" in capsys.readouterr().err
    some = Silent(SIXTY[:4], ["n0", "n1"], counts)
    some.blocked = ["n3"]
    fleet, plans, skipped = plan_ready(some, Uninstall(GVISOR), skip=Skip.UNREACHABLE)
    assert ([node.name for node in fleet.nodes], len(skipped)) == (["n0", "n1", "n3"], 1)
    assert [each.message for each in plans.errors] == ["containerd does not run"]


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
    fleet, plans, skipped = plan_ready(Silent(SIXTY, ["n7", "n8"], counts), Uninstall(GVISOR), skip=Skip.UNREADY)
    assert [node.name for node in fleet.nodes] == ["n7", "n8"]
    assert (len(plans.good), plans.errors, len(skipped)) == (2, [], 58)
    assert counts == [60, 2]
    assert "58 of 60 nodes" in capsys.readouterr().err


@pytest.mark.parametrize(("skip", "answering"), [(Skip.NONE, ["n7"]), (Skip.UNREADY, [])])
def test_nothing_is_left_out_unless_it_is_asked_for_and_some_are_left(skip: Skip, answering: list[str]) -> None:
    _, plans, skipped = plan_ready(Silent(SIXTY, answering, []), Uninstall(GVISOR), skip=skip)
    assert len(plans.errors) == 60 - len(answering)
    assert skipped == ()


class Played:
    """Some played nodes."""

    def __init__(self, hosts: Mapping[str, LocalNode]) -> None:
        self._hosts = hosts

    def of(self, node: Node) -> Hosts:
        return self._hosts[node.name].of(node)


@pytest.fixture
def rollout() -> str:
    """What the inventory says of the rollout: two nodes at once."""
    return "max_unavailable = '2'"


@pytest.fixture
def played(tmp_path: Path, rollout: str) -> Iterator[tuple[Fleet, PlayedNode]]:
    """Two nodes, and the second of them."""
    nodes = parse(f"{INVENTORY}[nodes.worker2]\n[rollout]\n{rollout}\n", "nodeprov.toml").nodes
    hosts: dict[str, LocalNode] = {}
    with ExitStack() as stack:
        for node in nodes:
            (tmp_path / node.name).mkdir()
            last = stack.enter_context(played_node(tmp_path / node.name))
            hosts[node.name] = stack.enter_context(LocalNode(node.name, enter=last.enter))
        yield Fleet(nodes, Played(hosts), lambda *_: release(tmp_path, content=b"#!/bin/sh\n")), last


def test_a_run_of_two_nodes_is_told_in_a_table_a_report_events_and_the_history(
    played: tuple[Fleet, PlayedNode],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    fleet, second = played
    rollout = fleet.rollout(fleet.plan(Install(GVISOR)).good)
    second.said("echo 'echo no sandbox >&2; exit 1' > /srv/played/bin/ctr")
    telling = Telling(tmp_path / "report.md", tmp_path / "events.jsonl")
    with pytest.raises(typer.Exit) as ended:
        finish(fleet, rollout, as_json=False, telling=telling)
    assert ended.value.exit_code == 1
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines() if line.startswith(("worker1 ", "worker2 "))]
    assert [row[:-1] for row in rows] == [
        ["worker1", "done", "6", "yes"],
        ["worker2", "failed", "(node", "as", "before)", "0", "no"],
    ]
    assert "worker2: " in said.err
    assert "- **worker2**: " in (tmp_path / "report.md").read_text()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    ends = {each["node"]: each["state"] for each in events if each["event"] == "node"}
    assert ends == {"worker1": "done", "worker2": "failed"}
    [entry], _ = Journal(tmp_path / "nodeprov").read()
    assert [(node["node"], node["result"]) for node in entry.nodes] == [("worker1", "done"), ("worker2", "failed")]
    assert events[-1]["nodes"] == entry.nodes
    assert entry.value["report"] == str(tmp_path / "report.md")


def closed() -> str:
    """A window of two minutes that is half a day away."""
    noon = datetime.now(UTC) + timedelta(hours=12)
    return f"{noon:%H:%M}-{noon + timedelta(minutes=2):%H:%M}"


REFUSED = {
    "the window is closed": (f'window = "{closed()}"', "is closed; nothing was changed", 1),
    "the date is frozen": ('freeze = ["2020-01-01/2099-12-31"]', "does not open within a year", 1),
    "more canaries than nodes": ("canary = 3", "[rollout] canary is 3, and 2 nodes are named", 2),
}


@pytest.mark.parametrize(("rollout", "why", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_rollout_that_is_refused_is_told_in_its_report_events_and_the_history(
    played: tuple[Fleet, PlayedNode], why: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    telling = Telling(tmp_path / "report.md", tmp_path / "events.jsonl")
    with pytest.raises(NodeprovError) as refused:
        carry_out(played[0], Install(GVISOR), skip=Skip.NONE, yes=True, as_json=False, telling=telling)
    assert refused.value.exit_code == code
    assert why in refused.value.message
    assert refused.value.hint
    text = (tmp_path / "report.md").read_text()
    assert "# nodeprov install: 2 nodes, 2 untouched" in text
    assert f"- {refused.value.message}" in text
    *_, last = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert (last["event"], last["errors"][0]["message"]) == ("ended", refused.value.message)
    [entry], _ = Journal(tmp_path / "nodeprov").read()
    assert entry.has_ended
    assert [(node["node"], node["result"], node["said"]) for node in entry.nodes] == [
        (name, "untouched", refused.value.message) for name in ("worker1", "worker2")
    ]
    assert not list(tmp_path.glob("worker*/opt/nodeprov/*"))


class Ending(Fleet):
    """Nodes of which none is begun, because of what a test does to the rollout."""

    def __init__(self, end: Callable[[Rollout, RunContext], None]) -> None:
        super().__init__((), cast(Any, None))
        self._end = end

    def carry_out(self, rollout: Rollout, run: RunContext) -> Iterator[Outcome]:
        self._end(rollout, run)
        return iter(())


def ended(end: Callable[[Rollout, RunContext], None]) -> int:
    with pytest.raises(typer.Exit) as over:
        finish(Ending(end), Rollout((), RolloutSettings()), as_json=True)
    return over.value.exit_code


def test_nodes_for_which_a_window_had_no_time_are_pending(capsys: pytest.CaptureFixture[str]) -> None:
    def close(rollout: Rollout, _run: RunContext) -> None:
        rollout.is_closed, rollout.untouched = True, {"the window closes": ("w1", "w2")}

    assert ended(close) == 3
    said = capsys.readouterr()
    assert json.loads(said.out)["untouched"] == [
        {"node": "w1", "why": "the window closes"},
        {"node": "w2", "why": "the window closes"},
    ]
    assert "not begun, because the window closes: w1, w2" in said.err


def test_nodes_that_were_not_begun_after_a_signal_are_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(rollout: Rollout, run: RunContext) -> None:
        run.cancel.finishes_first, rollout.in_flight = True, ("w1",)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        rollout.untouched = {"it was interrupted": ("w2",)}

    assert ended(interrupt) == 1
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == (
        "interrupted: w1 will be finished, no other node is begun; once more: take the changes back now"
    )
    assert second == "interrupted: finishing the step, then taking the changes back"


def test_an_uninstall_that_purges_leaves_no_receipt(
    played: tuple[Fleet, PlayedNode],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    fleet, second = played
    state = fleet.nodes[1].settings.paths.state
    for want, purges, left in ((Install(GVISOR), False, "receipts"), (Uninstall(GVISOR), True, "")):
        with pytest.raises(typer.Exit) as ended:
            carry_out(fleet, want, skip=Skip.NONE, yes=True, as_json=False, purges=purges)
        assert (ended.value.exit_code, left in second.said(f"ls {state} 2>&1 || true")) == (0, True)
    assert second.said(f"ls -d {state} 2>/dev/null || echo none").strip() == "none"
    assert f"worker2: no receipt is left in {state}" in capsys.readouterr().err
