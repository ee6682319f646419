"""What a node's receipts tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nodeprov.engine.receipts.receipt import BEGUN, DONE, UNDONE, Receipt, Written, from_json
from nodeprov.plan.goal import Change
from nodeprov.states import (
    State,
)


def history(values: Iterable[Mapping[str, Any]]) -> tuple[Receipt, ...]:
    """Read a node's receipts in the order in which they were written."""
    return tuple(sorted((from_json(value) for value in values), key=lambda receipt: receipt.number))


def of_machine(receipts: Sequence[Receipt], machine_id: str) -> tuple[Receipt, ...]:
    """Pick the receipts that were written on this machine: a disk may be cloned, or outlive a reimaging."""
    return tuple(
        each for each in receipts if not each.machine_id or not machine_id or each.machine_id == machine_id
    )


def installed(receipts: Sequence[Receipt], handler: str) -> tuple[Receipt, ...]:
    """Pick the receipts since the handler was last absent: those that an uninstall takes back."""
    mine = [receipt for receipt in receipts if receipt.handler == handler and receipt.state != UNDONE]
    ends = [i for i, receipt in enumerate(mine) if receipt.action == "uninstall" and receipt.state == DONE]
    return tuple(mine[ends[-1] + 1 if ends else 0 :])


def interrupted(receipts: Sequence[Receipt], handler: str) -> Receipt | None:
    """Find the handler's last run if it ended without a word: its controller died or lost the node."""
    counting = [receipt for receipt in receipts if receipt.handler == handler and receipt.state != UNDONE]
    return counting[-1] if counting and counting[-1].state == BEGUN else None


def replaced(receipts: Sequence[Receipt], key: str) -> State | None:
    """Find the state that the last run which changed a resource has replaced."""
    changes = [c for r in receipts if r.state == DONE for c in r.changes if c.key == key]
    return changes[-1].before if changes else None


def pristine(receipts: Sequence[Receipt]) -> dict[str, State | None]:
    """Find each resource's state before nodeprov first touched it; the first receipt that names it knows."""
    states: dict[str, State | None] = {}
    for receipt in receipts:
        for change in receipt.changes:
            states.setdefault(change.key, change.before)
    return states


def is_ours_alone(receipts: Sequence[Receipt], key: str) -> bool:
    """Tell whether every run has found a resource as it was at first, or as a run before it has left it.

    If not, somebody else has changed it in between, and what was there at first is not all that is theirs.
    """
    known: list[State | None] = []
    for change in (change for receipt in receipts for change in receipt.changes if change.key == key):
        if known and change.before not in known:
            return False
        known += [change.before, change.after]
    return True


def last_written(receipts: Sequence[Receipt]) -> dict[str, State | None]:
    """Find the state that nodeprov last gave each resource; what lay in a folder that it removed is gone."""
    states: dict[str, State | None] = {}
    for change in (change for receipt in receipts for change in receipt.changes):
        states[change.key] = change.after
        kind, _, path = change.key.partition(":")
        if kind == "folder" and change.after is None:
            below = [key for key in states if f"{key.partition(':')[2]}/".startswith(f"{path}/")]
            states |= dict.fromkeys(below)
    return states


def intent(changes: Iterable[Change], broken: Receipt | None) -> tuple[Written, ...]:
    """Say what is about to be written.

    What an interrupted run had begun is taken over: its `before` is the state to go back to, for its `after`
    is nobody's wish yet.
    """
    earlier = {change.key: change for change in broken.changes} if broken else {}
    written = []
    for change in changes:
        begun = earlier.get(change.resource.key)
        before = begun.before if begun and begun.after == change.before else change.before
        written.append(Written(change.resource.key, before, change.after))
    return tuple(written)
