"""Carrying out a plan on one node, step by step."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from nodeprov.engine.actions import Actions
from nodeprov.engine.context import RunContext
from nodeprov.engine.undo import collect, in_turn, in_words, undo
from nodeprov.errors import NodeprovError, RollbackFailed, RolledBack
from nodeprov.hosts.base import Host, Hosts, Place
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Outcome, Plan
from nodeprov.plan.steps import Adopt, Drain, Event, OnEvent, Part, Proof, Step, Swap, parts
from nodeprov.states import State


def apply(plan: Plan, hosts: Hosts, actions: Actions, run: RunContext) -> Outcome:
    """Carry out a plan step by step; on any error take the begun changes back.

    A cancellation counts as an error: a signal in a maintenance window must not leave a node between two
    states.
    """
    garbage = [change for change in plan.changes if change.collects]
    work = _Work(plan.node, hosts, actions, run)
    try:
        for steps in _together([step for step in plan.steps if step not in garbage]):
            with in_turn(steps[0], run.turn):
                work.carry_out(steps)
    except BaseException as error:
        begun = work.begun
        is_swapped = any(isinstance(step, Swap) for step in begun)
        swap = begun.pop() if isinstance(error, RolledBack | RollbackFailed) else None
        undone = undo(begun, hosts, actions, partial(_try_to_tell, work.on_event), run.turn)
        left = (*undone.failed, *(actions.made_otherwise() if is_swapped else ()))
        if isinstance(error, RollbackFailed) and isinstance(swap, Swap):
            left = (
                *left,
                f"{swap.restart.unit} does not serve with its old configuration, or cannot be given it back",
            )
        stopped_by = in_words(error).at(plan.node)
        return Outcome(plan, tuple(work.done), stopped_by, undone.changes, left, undone.kept, work.proofs)
    collected = collect(garbage, hosts, actions, work.on_event, before_each=run.cancel.check)
    outcome = Outcome(plan, (*work.done, *collected.changes), proofs=work.proofs)
    if plan.action.removes_all:
        return replace(outcome, left=collected.failed, kept=collected.kept)
    # What an upgrade could not remove the next run will.
    return replace(outcome, kept=(*collected.kept, *collected.failed))


def apply_in_cluster(plan: Plan, host: Host, run: RunContext) -> Outcome:
    """Carry out a plan of changes in a cluster alone, by the host that runs kubectl."""
    none: Any = None  # a change is written by its resource: it asks for nothing that is done on a node
    return apply(plan, {Place.CLUSTER: host}, none, run)


def _together(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Part steps into those that are looked at together: changes of one place behind one another, or one step.

    Each look is a round trip. What nodes share is looked at in the moment in which it is written.
    """

    def place(numbered: tuple[int, Step]) -> object:
        number, step = numbered
        return step.resource.place if isinstance(step, Change) and not step.resource.shared else number

    for _, group in groupby(enumerate(steps), place):
        yield [step for _, step in group]


class _Work:
    """The steps of one node's plan: those that were begun, and those that are done."""

    def __init__(self, node: str, hosts: Hosts, actions: Actions, run: RunContext) -> None:
        self._node, self._hosts, self._actions, self._run = node, hosts, actions, run
        self.begun: list[Step] = []
        self.done: list[Part] = []
        self.proofs: dict[str, str] = {}

    def on_event(self, event: Event) -> None:
        """Tell the listener of this node's event."""
        self._run.on_event(replace(event, node=self._node))

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Carry out steps that are looked at together."""
        changes = [step for step in steps if isinstance(step, Change)]
        if not changes:
            for step in steps:
                self._step(step)
            return
        host = self._hosts[changes[0].resource.place]
        due, written = _due(changes, host), list[Change]()
        for change in due:
            if written and self._run.cancel.is_asked:
                break
            self._begin(change, change)
            if change.resource.answers:
                _insist(change, change.resource.written(host, change.before, change.after))
            else:
                change.resource.write(host, change.after)
            written.append(change)
        _insist_on_written([each for each in written if not each.resource.answers], host)
        for change in written:
            self._end(change)
        if len(written) < len(due):
            self._run.cancel.check()

    def _step(self, step: Step) -> None:
        """Carry out a step that is no change alone."""
        if isinstance(step, Swap):
            changes = _due(step.changes, self._hosts[Place.NODE])
            step = replace(step, changes=tuple(changes))
        self._begin(step, step.restart if isinstance(step, Swap) else step)
        said = _do(step, self._hosts, self._actions, self.on_event)
        self.proofs |= {proof.title: said for proof in parts([step]) if isinstance(proof, Proof)}
        self._end(step, said)

    def _begin(self, step: Step, told: Part) -> None:
        self._run.cancel.check()
        self.on_event(Event(told, "begun"))
        self.begun.append(step)

    def _end(self, step: Step, said: str = "") -> None:
        for part in parts([step]):
            self.done.append(part)
            self.on_event(Event(part, "done", said))


def _try_to_tell(on_event: OnEvent, event: Event) -> None:
    """Tell a listener: though it must not fail, it keeps no node from being put back."""
    with suppress(Exception):
        on_event(event)


def _do(step: Step, hosts: Hosts, actions: Actions, on_event: OnEvent) -> str:
    match step:
        case Swap(changes):
            for change in changes:
                change.resource.allow(hosts[change.resource.place], change.after)
            actions.try_start(step)
            actions.swap(step)
            return step.proof.see(actions)
        case Drain():
            actions.drain(step, lambda said: on_event(Event(step, "waiting", said)))
        case Proof():
            return step.see(actions)
        case Adopt():
            pass  # the receipt of the run has it
    return ""


def _due(changes: Sequence[Change], host: Host) -> list[Change]:
    """Look again before writing; return the changes that are still to be made.

    What is as wanted by now was done by somebody else, such as the run on another node of the cluster; it is
    not ours to take back. Raises NodeprovError for any other state than the one that was planned with.
    """
    due = []
    for change, now in zip(changes, host.ask([each.resource.query for each in changes]), strict=True):
        if now not in (change.before, change.after):
            raise NodeprovError(
                f"{change.resource.key} has changed since it was read",
                "plan again, and see who else works on this node",
            )
        if now != change.after:
            due.append(change)
    return due


def _insist_on_written(changes: Sequence[Change], host: Host) -> None:
    """Read back what was written; raise NodeprovError if it is something else."""
    for change, now in zip(changes, host.ask([each.resource.query for each in changes]), strict=True):
        _insist(change, now)


def _insist(change: Change, now: State | None) -> None:
    if now != change.after:
        raise NodeprovError(
            f"{change.resource.key} was written, and reads back differently", "see who else works on this node"
        )
