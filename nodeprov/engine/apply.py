"""Carrying out a plan on one node, step by step."""

from contextlib import suppress
from dataclasses import replace
from functools import partial

from nodeprov.engine.actions import Actions
from nodeprov.engine.context import RunContext
from nodeprov.engine.undo import collect, in_turn, in_words, undo
from nodeprov.errors import NodeprovError, RollbackFailed, RolledBack
from nodeprov.hosts.base import Host, Hosts
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Outcome, Plan
from nodeprov.plan.steps import Adopt, Drain, Event, OnEvent, Part, Proof, Step, Swap, parts


def apply(plan: Plan, hosts: Hosts, actions: Actions, run: RunContext) -> Outcome:
    """Carry out a plan step by step; on any error take the begun changes back.

    A cancellation counts as an error: a signal in a maintenance window must not leave a node between two
    states.
    """
    begun: list[Step] = []
    done: list[Part] = []
    proofs: dict[str, str] = {}
    garbage = [change for change in plan.changes if change.collects]

    def on_event(event: Event) -> None:
        run.on_event(replace(event, node=plan.node))

    def carry_out(planned: Step) -> None:
        step = _due(planned, hosts)
        if step is None:
            return
        run.cancel.check()
        on_event(Event(step.restart if isinstance(step, Swap) else step, "begun"))
        begun.append(step)
        said = _do(step, hosts, actions)
        proofs.update({proof.title: said for proof in parts([step]) if isinstance(proof, Proof)})
        for part in parts([step]):
            done.append(part)
            on_event(Event(part, "done", said))

    try:
        for planned in (step for step in plan.steps if step not in garbage):
            with in_turn(planned, run.turn):
                carry_out(planned)
    except BaseException as error:
        is_swapped = any(isinstance(step, Swap) for step in begun)
        swap = begun.pop() if isinstance(error, RolledBack | RollbackFailed) else None
        undone = undo(begun, hosts, actions, partial(_try_to_tell, on_event), run.turn)
        left = (*undone.failed, *(actions.made_otherwise() if is_swapped else ()))
        if isinstance(error, RollbackFailed) and isinstance(swap, Swap):
            left = (
                *left,
                f"{swap.restart.unit} does not serve with its old configuration, or cannot be given it back",
            )
        stopped_by = in_words(error).at(plan.node)
        return Outcome(plan, tuple(done), stopped_by, undone.changes, left, undone.kept, proofs)
    collected = collect(garbage, hosts, actions, on_event, before_each=run.cancel.check)
    outcome = Outcome(plan, (*done, *collected.changes), proofs=proofs)
    if plan.action.removes_all:
        return replace(outcome, left=collected.failed, kept=collected.kept)
    # What an upgrade could not remove the next run will.
    return replace(outcome, kept=(*collected.kept, *collected.failed))


def _try_to_tell(on_event: OnEvent, event: Event) -> None:
    """Tell a listener: though it must not fail, it keeps no node from being put back."""
    with suppress(Exception):
        on_event(event)


def _do(step: Step, hosts: Hosts, actions: Actions) -> str:
    match step:
        case Change():
            _write(step, hosts[step.resource.place])
        case Swap(changes):
            for change in changes:
                change.resource.allow(hosts[change.resource.place], change.after)
            actions.try_start(step)
            actions.swap(step)
            return step.proof.see(actions)
        case Drain():
            actions.drain(step)
        case Proof():
            return step.see(actions)
        case Adopt():
            pass  # the receipt of the run has it
    return ""


def _due(step: Step, hosts: Hosts) -> Step | None:
    """Look again at the moment of writing; what was done meanwhile is left out."""
    match step:
        case Change():
            return step if _is_due(step, hosts[step.resource.place]) else None
        case Swap(changes):
            due = tuple(change for change in changes if _is_due(change, hosts[change.resource.place]))
            return replace(step, changes=due)
        case _:
            return step


def _is_due(change: Change, host: Host) -> bool:
    """Look again at the moment of writing.

    What is as wanted by now was done by somebody else, such as the run on another node of the cluster; it is
    not ours to take back. Raises NodeprovError for any other state than the one that was planned with.
    """
    resource = change.resource
    now = host.ask([resource.query])[0]
    if now not in (change.before, change.after):
        raise NodeprovError(
            f"{resource.key} has changed since it was read", "plan again, and see who else works on this node"
        )
    return bool(now != change.after)


def _write(change: Change, host: Host) -> None:
    resource = change.resource
    resource.write(host, change.after)
    if host.ask([resource.query])[0] != change.after:
        raise NodeprovError(
            f"{resource.key} was written, and reads back differently", "see who else works on this node"
        )
