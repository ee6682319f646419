"""A rollout of many nodes, each of which takes no time here: its order, what is at the same time, and its ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from nodeprov.engine.apply import apply
from nodeprov.engine.context import Cancellation, RunContext
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.engine.look import Install
from nodeprov.engine.planner import Planned
from nodeprov.engine.rollout import CONTROL_PLANE, ZONE, Rollout, member_of
from nodeprov.errors import Cancelled, NodeprovError, UsageError
from nodeprov.hosts.base import Place, Query
from nodeprov.inventory import Node, RolloutSettings, Ssh
from nodeprov.kubernetes import runtime_class
from nodeprov.node.state import ClusterState
from nodeprov.plan.files import File
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import INSTALL, STAGE, Outcome, Plan
from nodeprov.plan.steps import Adopt, Event, Restart, Serving, Step, Swap
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState, ObjectState
from tests.support.memory_host import MemoryHost
from tests.support.runtimes import state_of
from tests.support.samples import a_run, good_facts, receipt_of, settings, with_receipts

RESTARTS = Swap((), Restart("containerd.service", ("to serve",)), Serving())


def cluster_of(name: str, labels: dict[str, str], *, ready: str = "True", cordoned: bool = False) -> ClusterState:
    node = {
        "metadata": {"name": name, "labels": labels},
        "spec": {"unschedulable": cordoned},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    return ClusterState("lab", "https://10.0.0.10:6443", node, None, ())


def planned(name: str, *steps: Step, cluster: ClusterState | None = None) -> Planned:
    node = Node(name, Ssh(address=name), settings())
    state = replace(state_of(node.settings, good_facts()), node=node, cluster=cluster or cluster_of(name, {}))
    return Planned(state, Install(GVISOR), Plan(name, INSTALL, steps or (RESTARTS,)))


def fleet(count: int) -> list[Planned]:
    return [planned(f"n{number}") for number in range(1, count + 1)]


@dataclass
class Played:
    """Work on nodes that takes no time, and remembers who was at work with whom."""

    failing: Collection[str] = ()
    failing_later: Collection[str] = ()
    meanwhile: Callable[[str, RunContext], None] = lambda _name, _run: None
    begun: list[str] = field(default_factory=list)
    proven: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def change(self, planned: Planned, run: RunContext) -> Outcome:
        name = planned.node.name
        self.begun.append(name)
        self.meanwhile(name, run)
        self.ended.append(name)
        if run.cancel.is_asked:
            return Outcome(planned.plan, error=Cancelled().at(name))
        if name in self.failing:
            raise NodeprovError("it breaks")
        return Outcome(planned.plan, done=(RESTARTS.restart,))

    def prove_again(self, planned: Planned, run: RunContext) -> None:
        self.proven.append(planned.node.name)
        run.cancel.check()
        if planned.node.name in self.failing_later:
            raise NodeprovError("it serves no more")


@dataclass
class Heard:
    """What a listener hears, in words."""

    said: list[str] = field(default_factory=list)

    def __call__(self, event: NodeEvent | WaveEvent) -> None:
        if isinstance(event, WaveEvent):
            self.said.append(f"{event.kind} {event.number}/{event.total} {event.state}: {' '.join(event.nodes)}")
        else:
            self.said.append(f"{event.node} {event.state}{f': {event.said}' if event.said else ''}")


def carried_out(
    plans: list[Planned], work: Played, run: RunContext | None = None, **said: Any
) -> tuple[Rollout, dict[str, int]]:
    """Carry plans out; return how it ended, and each node's exit code."""
    rollout = Rollout(plans, RolloutSettings(**said))
    outcomes = list(rollout.carry_out(run or a_run(), work))
    assert len({each.plan.node for each in outcomes}) == len(outcomes)
    return rollout, {each.plan.node: each.exit_code for each in outcomes}


class TestTwentyFour:
    """Canaries, waves, a node that fails, and somebody who interrupts."""

    def test_canaries_then_waves_of_a_quarter_each_at_the_same_time(self) -> None:
        together = threading.Barrier(6, timeout=20)
        work = Played(meanwhile=lambda name, _run: None if name in ("n1", "n2") else _meet(together, name, 24))
        rollout, codes = carried_out(fleet(24), work, canary=2, max_unavailable="25%")
        assert codes == {f"n{number}": 0 for number in range(1, 25)}
        assert [len(wave.nodes) for wave in rollout.waves] == [2, 6, 6, 6, 4]
        assert set(work.begun[:2]) == {"n1", "n2"}
        assert rollout.untouched == {}

    def test_a_node_that_fails_ends_it_behind_those_that_are_in_flight(self) -> None:
        heard = Heard()
        work = Played(failing=["n5"])
        rollout, codes = carried_out(
            fleet(24), work, replace(a_run(), on_rollout=heard), canary=2, max_unavailable="6"
        )
        assert codes == {f"n{number}": int(number == 5) for number in range(1, 9)}
        left = tuple(f"n{number}" for number in range(9, 25))
        assert rollout.untouched == {"n5 failed": left}
        assert [each for each in heard.said if "untouched" in each] == [f"{n} untouched: n5 failed" for n in left]
        assert "n5 failed: it breaks" in heard.said
        assert not set(left) & set(work.begun)

    def test_more_may_fail_where_that_is_allowed(self) -> None:
        work = Played(failing=["n3", "n9", "n20"])
        rollout, codes = carried_out(fleet(24), work, max_unavailable="6", max_failures=2)
        assert [name for name, code in codes.items() if code] == ["n3", "n9"]
        assert rollout.untouched == {"n3 and n9 failed": tuple(f"n{number}" for number in range(13, 25))}

    def test_a_first_interruption_finishes_the_nodes_that_are_being_changed(self) -> None:
        said: list[bool] = []

        def interrupt(name: str, run: RunContext) -> None:
            if name == "n8":
                said.append(run.cancel.interrupt())

        rollout, codes = carried_out(fleet(24), Played(meanwhile=interrupt), max_unavailable="6")
        assert said == [True]
        assert codes == {f"n{number}": 0 for number in range(1, 13)}
        assert list(rollout.untouched) == ["it was interrupted"]
        assert len(rollout.untouched["it was interrupted"]) == 12

    def test_a_second_one_takes_their_changes_back(self) -> None:
        def interrupt(name: str, run: RunContext) -> None:
            if name == "n1":
                assert run.cancel.interrupt()
                assert not run.cancel.interrupt()

        rollout, codes = carried_out(fleet(24), Played(meanwhile=interrupt), max_unavailable="1")
        assert codes == {"n1": 1}
        assert len(rollout.untouched["it was interrupted"]) == 23


def _meet(together: threading.Barrier, name: str, count: int) -> None:
    """Wait for all others of the wave, of which the last one has fewer nodes."""
    if int(name[1:]) <= count - 4:
        together.wait()


def test_by_default_one_goes_after_the_other_in_the_callers_thread() -> None:
    threads: list[threading.Thread] = []
    work = Played(meanwhile=lambda _name, _run: threads.append(threading.current_thread()))
    _, codes = carried_out(fleet(3), work)
    assert work.begun == ["n1", "n2", "n3"]
    assert set(threads) == {threading.current_thread()}
    assert codes == {"n1": 0, "n2": 0, "n3": 0}


def test_the_last_node_alone_is_taken_back_at_once_as_before_there_were_waves() -> None:
    said: list[bool] = []

    def interrupt(name: str, run: RunContext) -> None:
        if name == "n2":
            said.append(run.cancel.interrupt())

    _, codes = carried_out(fleet(2), Played(meanwhile=interrupt))
    assert said == [False]
    assert codes == {"n1": 0, "n2": 1}


def test_what_has_nothing_to_do_is_in_no_wave_and_has_an_outcome() -> None:
    plans = [planned("n1"), replace(planned("n2"), plan=Plan("n2", INSTALL, ())), planned("n3")]
    work = Played()
    rollout, codes = carried_out(plans, work)
    assert work.begun == ["n1", "n3"]
    assert codes == {"n1": 0, "n2": 0, "n3": 0}
    assert not rollout.is_special


def test_the_events_of_a_rollout() -> None:
    heard = Heard()
    times = iter(f"2026-11-28T02:00:{second:02}+00:00" for second in range(0, 60, 5))
    run = replace(a_run(), on_rollout=heard, clock=lambda: next(times))
    carried_out(fleet(2), Played(failing=["n2"]), run)
    assert heard.said == [
        "n1 waiting",
        "n2 waiting",
        "wave 1/2 begun: n1",
        "n1 begun",
        "n1 done",
        "wave 1/2 done: n1",
        "wave 2/2 begun: n2",
        "n2 begun",
        "n2 failed: it breaks",
        "wave 2/2 done: n2",
    ]


def test_a_fault_of_ours_in_one_node_lets_the_others_end() -> None:
    def fault(name: str, _run: RunContext) -> None:
        if name == "n1":
            raise RuntimeError("a fault")

    work = Played(meanwhile=fault)
    with pytest.raises(RuntimeError, match="a fault"):
        carried_out(fleet(3), work, max_unavailable="3")
    assert set(work.ended) == {"n2", "n3"}


class Pausing(Cancellation):
    """Calls something in place of a wait between nodes."""

    def __init__(self, instead: Callable[[float], object] = lambda _seconds: None) -> None:
        super().__init__()
        self._instead = instead

    def pause(self, seconds: float) -> None:
        self._instead(seconds)


def pausing(instead: Callable[[float], object] = lambda _seconds: None) -> RunContext:
    return replace(a_run(), cancel=Pausing(instead))


class TestCanary:
    def test_after_the_soak_time_they_are_tested_once_more(self) -> None:
        waited: list[tuple[float, list[str]]] = []
        work = Played()
        run = pausing(lambda seconds: waited.append((seconds, list(work.begun))))
        _, codes = carried_out(fleet(4), work, run, canary=2, soak_seconds=600)
        assert waited == [(600, ["n1", "n2"])]
        assert work.proven == ["n1", "n2"]
        assert codes == {"n1": 0, "n2": 0, "n3": 0, "n4": 0}

    def test_one_that_serves_no_more_ends_it(self) -> None:
        work = Played(failing_later=["n2"])
        rollout, codes = carried_out(fleet(4), work, pausing(), canary=2, soak_seconds=600)
        assert codes == {"n1": 0, "n2": 1}
        assert rollout.untouched == {"n2 failed": ("n3", "n4")}

    def test_one_that_has_failed_is_not_waited_for(self) -> None:
        work, run = Played(failing=["n1"]), pausing(lambda _seconds: pytest.fail("it waited"))
        rollout, codes = carried_out(fleet(4), work, run, canary=2, soak_seconds=600)
        assert codes == {"n1": 1}
        assert work.proven == []
        assert rollout.untouched == {"n1 failed": ("n2", "n3", "n4")}

    def test_who_interrupts_the_wait_keeps_what_is_done(self) -> None:
        run: RunContext = pausing(lambda _seconds: run.cancel.interrupt())
        work = Played()
        rollout, codes = carried_out(fleet(3), work, run, canary=1, soak_seconds=600)
        assert codes == {"n1": 0}
        assert work.proven == []
        assert rollout.untouched == {"it was interrupted": ("n2", "n3")}

    def test_more_than_there_are_nodes_change_nothing(self) -> None:
        with pytest.raises(UsageError, match="canary is 3, and 2 nodes are named"):
            carried_out(fleet(2), Played(), canary=3)


class TestMembers:
    def test_what_restarts_nothing_is_told_apart(self) -> None:
        assert member_of(planned("n1")).restarts
        assert not member_of(planned("n1", Adopt(()))).restarts

    def test_the_zone_and_the_control_plane_are_labels(self) -> None:
        found = member_of(planned("n1", cluster=cluster_of("n1", {ZONE: "a", CONTROL_PLANE: ""})))
        assert (found.zone, found.controls) == ("a", True)
        assert not member_of(planned("n1")).controls

    def test_what_the_inventory_says_of_these_labels_counts_first_and_needs_no_cluster(self) -> None:
        one = planned("n1", cluster=cluster_of("n1", {ZONE: "a"}))
        node = replace(one.node, labels={ZONE: "b", CONTROL_PLANE: ""})
        for cluster in (one.state.cluster, None):
            found = member_of(replace(one, state=replace(one.state, node=node, cluster=cluster)))
            assert (found.zone, found.controls) == ("b", True)

    def test_a_node_that_others_have_cordoned_or_that_is_not_ready_is_out_of_service(self) -> None:
        assert member_of(planned("n1")).unavailable == ""
        assert member_of(planned("n1", cluster=cluster_of("n1", {}, cordoned=True))).unavailable == "cordoned"
        gone = cluster_of("n1", {}, ready="Unknown", cordoned=True)
        assert member_of(planned("n1", cluster=gone)).unavailable == "not ready and cordoned"

    def test_a_node_that_our_own_run_has_cordoned_is_not(self) -> None:
        broken = replace(receipt_of(1, "uninstall", state="begun"), cordons=True)
        facts = with_receipts(good_facts(), broken)
        one = planned("n1", cluster=cluster_of("n1", {}, cordoned=True))
        state = replace(state_of(one.settings, facts), node=one.node, cluster=one.state.cluster)
        assert member_of(replace(one, state=state)).unavailable == ""


class TestWhatNodesShare:
    def taking(self, name: str) -> Planned:
        shared = runtime_class.of(settings(), name)
        removed = Change(shared, ObjectState.of({"handler": "runsc", "labels": {}}), None)
        return planned(name, removed, RESTARTS)

    def test_the_node_that_takes_it_away_is_the_last_one(self) -> None:
        work = Played()
        rollout, _ = carried_out([self.taking("n1"), planned("n2"), planned("n3")], work, max_unavailable="3")
        assert [wave.nodes for wave in rollout.waves] == [("n2", "n3"), ("n1",)]
        assert work.begun[-1] == "n1"

    def test_it_stays_where_another_node_was_not_changed(self) -> None:
        rollout = Rollout([planned("n1"), self.taking("n2")], RolloutSettings(max_failures=2))
        failed, last = rollout.carry_out(a_run(), Played(failing=["n1"]))
        assert failed.exit_code == 1
        assert last.plan.steps == (RESTARTS,)
        assert last.kept == ("RuntimeClass gvisor stays: n1 may need it",)


@dataclass(frozen=True, slots=True)
class Shared(File):
    """A file that several nodes share, and of which each must be made only once."""

    shared: ClassVar[bool] = True


class Cluster(MemoryHost):
    """What nodes share; whoever looks at it first waits until another node is on its way here."""

    def __init__(self) -> None:
        super().__init__()
        self.another = threading.Event()
        self.made: list[str] = []
        self._looked = 0

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        found = super().ask(queries)
        self._looked += 1
        if self._looked == 1:
            assert self.another.wait(timeout=20)
        else:
            self.another.set()
        return found

    def write_file(self, path: str, state: FileState) -> None:
        if path in self.members:
            raise NodeprovError(f"{path} exists already")
        self.made.append(path)
        super().write_file(path, state)


class Turn:
    """A lock that shows that the second one waits for it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._lock, self._count = cluster, threading.Lock(), 0

    def __enter__(self) -> None:
        self._count += 1
        if self._count == 2:
            self._cluster.another.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_two_nodes_at_the_same_time_make_what_they_share_once() -> None:
    cluster = Cluster()
    run = replace(a_run(), turn=Turn(cluster))
    change = Change(Shared("/class"), None, FileState(b"shared", 0o644))
    hosts = {Place.NODE: cluster, Place.CLUSTER: cluster}

    class OnCluster(Played):
        def change(self, planned: Planned, run: RunContext) -> Outcome:
            return apply(planned.plan, hosts, None, run)  # type: ignore[arg-type]

    plans = [planned("n1", change), planned("n2", change)]
    rollout = Rollout(plans, RolloutSettings(max_unavailable="2"))
    outcomes = list(rollout.carry_out(run, OnCluster()))
    assert [str(each.error) for each in outcomes if each.error] == []
    assert cluster.made == ["/class"]


class Clock:
    """Tells a time that goes on when a test says so."""

    def __init__(self, now: str) -> None:
        self._now = datetime.fromisoformat(now)

    def __call__(self) -> str:
        return self._now.isoformat()

    def goes_on(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class TestWindow:
    """From 02:00 to 04:00; a node of which nothing is known is taken to need five minutes."""

    def carried_out(
        self, count: int, begins: str, *, each_takes: float, **said: Any
    ) -> tuple[Rollout, dict[str, int]]:
        clock = Clock(f"2026-11-28T{begins}+00:00")
        run = replace(a_run(), clock=clock, cancel=Pausing(clock.goes_on))
        work = Played(meanwhile=lambda _name, _run: clock.goes_on(each_takes))
        ended = carried_out(fleet(count), work, run, window="02:00-04:00", **said)
        assert clock() <= "2026-11-28T04:00:00+00:00"
        return ended

    def test_no_node_is_begun_that_would_not_be_done(self) -> None:
        rollout, codes = self.carried_out(24, "03:30:00", each_takes=100)  # the next ones are given 150 s
        assert len(codes) == 17
        (why,) = rollout.untouched
        assert why == "it would not be done before the window 02:00-04:00 UTC closes"
        assert rollout.untouched[why] == tuple(f"n{number}" for number in range(18, 25))
        assert rollout.is_closed

    def test_where_there_is_time_for_all_it_ends_well(self) -> None:
        rollout, codes = self.carried_out(24, "02:00:00", each_takes=100)
        assert (len(codes), rollout.untouched, rollout.is_closed) == (24, {}, False)

    def test_the_soak_time_counts(self) -> None:
        rollout, codes = self.carried_out(3, "03:00:00", each_takes=10, canary=1, soak_seconds=3600 - 10 - 14)
        assert codes == {"n1": 0}
        assert rollout.is_closed

    def test_it_is_refused_outside_with_nothing_begun(self) -> None:
        work = Played()
        run = replace(a_run(), clock=Clock("2026-11-28T04:00:00+00:00"))
        with pytest.raises(NodeprovError, match="is closed; nothing was changed"):
            carried_out(fleet(2), work, run, window="02:00-04:00")
        assert work.begun == []

    def test_what_is_done_before_waits_for_frozen_dates_alone(self) -> None:
        """By the lines that docs/fleet.md shows."""
        said: dict[str, Any] = {
            "window": "02:00-04:00",
            "time_zone": "Europe/Berlin",
            "days": ("sat", "sun"),
            "freeze": ("2026-12-24/2027-01-02",),
        }
        plans = [replace(each, plan=replace(each.plan, action=STAGE)) for each in fleet(1)]
        on_tuesday = replace(a_run(), clock=Clock("2026-12-01T10:00:00+00:00"))
        assert carried_out(plans, Played(), on_tuesday, **said)[1] == {"n1": 0}
        at_christmas = replace(a_run(), clock=Clock("2026-12-25T10:00:00+00:00"))
        with pytest.raises(NodeprovError, match="is closed: 2026-12-25 is a frozen date; nothing was changed"):
            carried_out(plans, Played(), at_christmas, **said)

    def test_what_has_nothing_to_do_needs_none(self) -> None:
        run = replace(a_run(), clock=Clock("2026-11-28T04:00:00+00:00"))
        plans = [replace(planned("n1"), plan=Plan("n1", INSTALL, ()))]
        _, codes = carried_out(plans, Played(), run, window="02:00-04:00")
        assert codes == {"n1": 0}


class Failing(MemoryHost):
    """A host on which nothing can be written."""

    def write_file(self, path: str, state: FileState) -> None:
        raise NodeprovError("the disk is full")


class OnHosts(Played):
    """Carries plans out on hosts in memory."""

    def __init__(self, hosts: dict[str, MemoryHost]) -> None:
        super().__init__()
        self._hosts = hosts

    def change(self, planned: Planned, run: RunContext) -> Outcome:
        hosts = {Place.NODE: self._hosts[planned.node.name]}
        self.begun.append(planned.node.name)
        return apply(planned.plan, hosts, None, run)  # type: ignore[arg-type]


class TestTwentyFourHosts:
    """What is on each node at the end: all of its change, or nothing of it."""

    FILE = Change(File("/opt/file"), None, FileState(b"wanted", 0o644))

    def run(self, *, failing: str = "", run: RunContext | None = None) -> tuple[Rollout, dict[str, MemoryHost]]:
        names = [f"n{number}" for number in range(1, 25)]
        hosts = {name: Failing() if name == failing else MemoryHost() for name in names}
        plans = [planned(name, self.FILE, Adopt(())) for name in names]
        settings = RolloutSettings(canary=2, max_unavailable="25%", max_parallel=6)
        rollout = Rollout(plans, settings)
        list(rollout.carry_out(run or a_run(), OnHosts(hosts)))
        return rollout, hosts

    def having(self, hosts: dict[str, MemoryHost]) -> int:
        return sum(bool(host.members) for host in hosts.values())

    def test_all_have_it(self) -> None:
        rollout, hosts = self.run()
        assert (self.having(hosts), rollout.untouched) == (24, {})

    def test_one_that_fails_has_nothing_and_neither_have_those_behind_its_wave(self) -> None:
        rollout, hosts = self.run(failing="n10")
        assert rollout.untouched == {"n10 failed": tuple(f"n{number}" for number in range(15, 25))}
        assert hosts["n10"].members == {}
        assert self.having(hosts) == 13

    def test_who_interrupts_twice_has_it_on_what_was_done_before_alone(self) -> None:
        run = a_run()

        def interrupt_twice(event: Event) -> None:
            if event.node == "n10" and event.phase == "done":
                assert run.cancel.interrupt()
                assert not run.cancel.interrupt()

        _, hosts = self.run(run=replace(run, on_event=interrupt_twice))
        assert hosts["n10"].members == {}
        assert {name for name, host in hosts.items() if host.members} >= {f"n{number}" for number in range(1, 9)}
        assert not any(hosts[f"n{number}"].members for number in range(15, 25))
