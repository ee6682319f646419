"""A rollout: plans of many nodes, carried out wave by wave until one thing or another ends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Literal, Protocol

from nodeprov.engine.context import RunContext, seconds_between
from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.engine.hooks import Hooks
from nodeprov.engine.planner import Planned
from nodeprov.engine.waves import Member, Wave, waves
from nodeprov.engine.window import Experience, Schedule
from nodeprov.errors import Cancelled, NodeprovError
from nodeprov.inventory import RolloutSettings
from nodeprov.node.state import NodeState
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import STAGE, Outcome
from nodeprov.plan.steps import Drain, Part, Step

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
ZONE = "topology.kubernetes.io/zone"


class Work(Protocol):
    """What is done on one node; both are called by several threads at the same time."""

    def change(self, planned: Planned, run: RunContext) -> Outcome:
        """Carry a plan out; raise NodeprovError where it was not begun."""

    def prove_again(self, planned: Planned, run: RunContext) -> None:
        """See that what was proven some time ago still holds; raise NodeprovError if it does not."""


class Rollout:
    """Some plans, in waves.

    Attributes:
        settings: how it is to go.
        waves: which nodes are changed, in which order; those with nothing to do are in none.
        schedule: when nodes may be changed, and how long they take.
        in_flight: the nodes that are being changed.
        untouched: after it was carried out, which nodes were not begun, by the reason.
        is_closed: whether it has ended because the window closes.
    """

    def __init__(self, plans: Sequence[Planned], settings: RolloutSettings) -> None:
        """Put the nodes in waves; raise NodeprovError, with nothing begun, where the settings cannot be kept."""
        self._plans = {each.node.name: each for each in plans}
        self._failed: list[str] = []
        if plans and plans[0].plan.action is STAGE:
            settings = replace(settings, window=None, days=())  # it is what is done before; frozen dates stay so
        self.settings = settings
        self.waves = waves([member_of(each) for each in plans], settings)
        receipts = {name: each.state.history.of_handler for name, each in self._plans.items()}
        waits = {name: _wait_seconds(each.plan.steps) for name, each in self._plans.items()}
        action = plans[0].plan.action.name if plans else ""
        self.schedule = Schedule(settings, Experience(receipts, action, waits))
        self.is_closed = False
        self.in_flight: tuple[str, ...] = ()
        self.untouched: dict[str, tuple[str, ...]] = {}

    @property
    def plans(self) -> tuple[Planned, ...]:
        """The plans, in their order."""
        return tuple(self._plans.values())

    @property
    def is_special(self) -> bool:
        """Tell whether it goes otherwise than through the nodes in their order, one after the other."""
        placed = [wave.nodes for wave in self.waves]
        names = {name for nodes in placed for name in nodes}
        return placed != [(name,) for name in self._plans if name in names] or bool(self.settings.canary)

    def in_order(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Sort outcomes by the order of the plans."""
        order = list(self._plans)
        return sorted(outcomes, key=lambda each: order.index(each.plan.node))

    def that_fit(self, seconds_left: float) -> tuple[str, ...]:
        """Name the nodes that will be done in so many seconds."""
        last_canary = sum(wave.kind == "canary" for wave in self.waves)
        soaks = {last_canary: float(self.settings.soak_seconds)} if last_canary else {}
        timed = [(wave.nodes, soaks.get(number, 0.0)) for number, wave in enumerate(self.waves, start=1)]
        return self.schedule.that_fit(timed, seconds_left)

    def carry_out(self, run: RunContext, work: Work) -> Iterator[Outcome]:
        """Carry the plans out; give each outcome when it is known.

        The nodes of a wave are changed at the same time, each in a thread; a single one in the caller's own.
        Raises NodeprovError, with nothing begun, if the window is closed.
        """
        if self.waves:
            self.schedule.insist_on_open(run.clock())
        waiting = [name for wave in self.waves for name in wave.nodes]
        yield from (Outcome(planned.plan) for name, planned in self._plans.items() if name not in waiting)
        for name in waiting:
            run.on_rollout(NodeEvent(name, "waiting"))
        soaking: list[Outcome] = []
        for number, wave in enumerate(self.waves, start=1):
            names = () if self._why_no_more(run) else self._in_time(wave, run)
            if not names:
                break
            waiting = [name for name in waiting if name not in names]
            self.in_flight = names
            run.cancel.finishes_first = bool(waiting) or len(names) > 1
            run.on_rollout(self._event(number, "begun"))
            outcomes = self._wave(names, run, work)
            if wave.kind == "canary" and self.settings.soak_seconds:
                soaking += outcomes
                if not any(each.kind == "canary" for each in self.waves[number:]):
                    yield from self._soaked(soaking, run, work)
                    soaking = []
            else:
                yield from outcomes
            run.on_rollout(self._event(number, "done"))
        yield from soaking
        self._leave(waiting, run)

    def _event(self, number: int, state: Literal["begun", "done"]) -> WaveEvent:
        wave = self.waves[number - 1]
        return WaveEvent(number, len(self.waves), wave.nodes, state, wave.kind)

    def _leave(self, names: Sequence[str], run: RunContext) -> None:
        """Leave the nodes that are not begun any more, and say why."""
        why = self._why_no_more(run)
        self.in_flight = ()
        self.untouched = {why: tuple(names)} if names else {}
        for name in names:
            run.on_rollout(NodeEvent(name, "untouched", why))

    def _why_no_more(self, run: RunContext) -> str:
        """Say why no other node is begun; "" if one may be."""
        if run.cancel.is_ending:
            return "it was interrupted"
        if len(self._failed) >= self.settings.max_failures:
            return f"{' and '.join(self._failed)} failed"
        return self.schedule.why_closed if self.is_closed else ""

    def _in_time(self, wave: Wave, run: RunContext) -> tuple[str, ...]:
        """Name the nodes of a wave that will be done before the window closes; no wave comes after others."""
        names = self.schedule.in_time(wave.nodes, run.clock())
        self.is_closed = len(names) < len(wave.nodes)
        return names

    def _wave(self, names: Sequence[str], run: RunContext, work: Work) -> Iterator[Outcome]:
        """Change the nodes of a wave; where one raises what is no NodeprovError, the others end first."""
        if len(names) == 1:
            yield self._change(names[0], run, work)
            return
        with ThreadPoolExecutor(len(names)) as threads:
            running = [threads.submit(self._change, each, run, work) for each in names]
            try:
                yield from (each.result() for each in as_completed(running))
            except BaseException:  # also of a caller who leaves signals to Python, or wants no more outcomes
                run.cancel.cancel()
                raise

    def _change(self, name: str, run: RunContext, work: Work) -> Outcome:
        """Change one node, with the hooks around it."""
        began = run.clock()
        run.on_rollout(NodeEvent(name, "begun"))
        planned, kept = self._at_last(self._plans[name])
        hooks = Hooks(self.settings, name, planned.plan.action.name)
        try:
            hooks.before()
        except NodeprovError as error:
            outcome = Outcome(planned.plan, error=error.at(name))
        else:
            outcome = hooks.after(_changed(planned, run, work))
        self.in_flight = tuple(each for each in self.in_flight if each != name)
        seconds = seconds_between(began, run.clock())
        if not outcome.exit_code:
            self.schedule.experience.learn(seconds)
        self._told(outcome, run, seconds)
        return replace(outcome, kept=(*outcome.kept, *kept))

    def _told(self, outcome: Outcome, run: RunContext, seconds: float | None = None) -> None:
        """Remember how a node's run has ended, and tell the listener."""
        name, error = outcome.plan.node, outcome.error or outcome.later
        if error is None and not outcome.left:
            run.on_rollout(NodeEvent(name, "done", seconds=seconds))
            return
        if name not in self._failed:
            self._failed.append(name)
        said = error.message if error else "; ".join(outcome.left)
        run.on_rollout(NodeEvent(name, "failed", said, seconds))

    def _soaked(self, outcomes: Sequence[Outcome], run: RunContext, work: Work) -> Iterator[Outcome]:
        """Wait after the canaries, and test once more those that are done."""
        if not self._why_no_more(run):
            run.cancel.pause(self.settings.soak_seconds)
        for outcome in outcomes:
            proven = outcome
            if not (outcome.exit_code or run.cancel.is_ending):
                try:
                    work.prove_again(self._plans[outcome.plan.node], run)
                except Cancelled:
                    pass  # what was proven once has not failed
                except NodeprovError as error:
                    proven = replace(outcome, later=error.at(outcome.plan.node))
                    self._told(proven, run)
            yield proven

    def _at_last(self, planned: Planned) -> tuple[Planned, tuple[str, ...]]:
        """Leave out of a plan what would be taken from nodes that have failed before; say what stays."""
        plan = planned.plan
        taking = [each for each in plan.steps if _takes_from_others(each)] if self._failed else []
        if not taking:
            return planned, ()
        left = tuple(each for each in plan.steps if each not in taking)
        said = tuple(
            f"{each.resource.title} stays: {' and '.join(self._failed)} may need it"
            for each in taking
            if isinstance(each, Change)
        )
        return replace(planned, plan=replace(plan, steps=left)), said


def _changed(planned: Planned, run: RunContext, work: Work) -> Outcome:
    try:
        return work.change(planned, run)
    except NodeprovError as error:
        return Outcome(planned.plan, error=error.at(planned.node.name))


def member_of(planned: Planned) -> Member:
    """Find what a node's place in a rollout depends on."""
    plan, cluster, broken = planned.plan, planned.state.cluster, planned.state.history.interrupted
    labels = _labels(planned.state)
    ours = broken is not None and broken.cordons
    ready = cluster.condition("Ready") if cluster else None
    reasons = (
        (ready is not None and ready.get("status") != "True", "not ready"),
        (cluster is not None and cluster.is_cordoned and not ours, "cordoned"),
    )
    return Member(
        name=planned.node.name,
        is_due=plan.pending or planned.interrupted,
        restarts=plan.restart is not None or any(isinstance(step, Drain) for step in plan.steps),
        zone=labels.get(ZONE, ""),
        controls=controls(planned.state),
        comes_last=any(_takes_from_others(part) for part in plan.parts),
        unavailable=" and ".join(said for is_so, said in reasons if is_so),
    )


def controls(state: NodeState) -> bool:
    """Tell whether a node is of the control plane, or kubectl runs there for the others."""
    is_named = state.settings.cluster.enabled and state.settings.cluster.host == state.node.name
    return is_named or CONTROL_PLANE in _labels(state)


def _labels(state: NodeState) -> Mapping[str, str]:
    """Return a node's labels; what the inventory says of a key counts before what the cluster says."""
    return {**(state.cluster.labels if state.cluster else {}), **state.node.labels}


def _wait_seconds(steps: Iterable[Step]) -> float:
    """Return for how long a node may wait for pods that run now."""
    waits = [step.wait for step in steps if isinstance(step, Drain) and step.wait and step.wait.pods]
    return float(sum(wait.timeout_seconds for wait in waits))


def _takes_from_others(part: Part | Step) -> bool:
    """Tell whether a step removes what nodes share."""
    return isinstance(part, Change) and part.resource.shared and part.after is None
