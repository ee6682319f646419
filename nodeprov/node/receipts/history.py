"""What a node's receipts tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.node.receipts.receipt import BEGUN, DONE, UNDONE, Receipt, Written, from_json
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import ACTIONS
from nodeprov.states import State


@dataclass(frozen=True, slots=True)
class History:
    """What was done to this very machine, as far as one handler is concerned: a node may have several."""

    handler: str
    machine_id: str
    on_disk: tuple[Receipt, ...]
    """All receipts, in their order: a disk may be cloned, or outlive a reimaging, and bring those of others."""

    @classmethod
    def read(cls, values: Iterable[Mapping[str, Any]], *, machine_id: str, handler: str) -> History:
        """Read the receipts that lie on a node; raise NodeprovError for one that is damaged or too new."""
        found = sorted((from_json(value) for value in values), key=lambda receipt: receipt.number)
        return cls(handler, machine_id, tuple(found))

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """The receipts that were written on this machine, whichever handler they are of."""
        return tuple(each for each in self.on_disk if not self._is_others(each))

    @property
    def other_machines(self) -> tuple[str, ...]:
        """The machines on which the others were written."""
        return tuple(dict.fromkeys(each.machine_id for each in self.on_disk if self._is_others(each)))

    @property
    def next_number(self) -> int:
        """The number of the next receipt."""
        return max((each.number for each in self.on_disk), default=0) + 1

    @property
    def of_handler(self) -> tuple[Receipt, ...]:
        """The handler's receipts."""
        return tuple(receipt for receipt in self.receipts if receipt.handler == self.handler)

    @property
    def installed(self) -> tuple[Receipt, ...]:
        """The receipts since the handler was last absent: those that an uninstall takes back."""
        counting = self._counting
        ending = {action.name for action in ACTIONS if action.ends_installation}
        ends = [i for i, each in enumerate(counting) if each.action in ending and each.state == DONE]
        return tuple(counting[ends[-1] + 1 if ends else 0 :])

    @property
    def interrupted(self) -> Receipt | None:
        """The handler's last run if it ended without a word: its controller died or lost the node."""
        counting = self._counting
        return counting[-1] if counting and counting[-1].state == BEGUN else None

    @property
    def before_us(self) -> dict[str, State | None]:
        """Each resource's state before nodeprov first touched it; the first receipt that names it knows."""
        states: dict[str, State | None] = {}
        for change in self._changes:
            states.setdefault(change.key, change.before)
        return states

    @property
    def written(self) -> dict[str, State | None]:
        """The state that nodeprov last gave each resource; what lay in a folder that it removed is gone."""
        states: dict[str, State | None] = {}
        for change in self._changes:
            states[change.key] = change.after
            kind, _, path = change.key.partition(":")
            if kind == "folder" and change.after is None:
                below = [key for key in states if f"{key.partition(':')[2]}/".startswith(f"{path}/")]
                states |= dict.fromkeys(below)
        return states

    def is_ours_alone(self, key: str) -> bool:
        """Tell whether every run has found a resource as it was at first, or as a run before it has left it.

        If not, somebody else has changed it in between, and what was there at first is not all that is theirs.
        """
        known: list[State | None] = []
        for change in (change for change in self._changes if change.key == key):
            if known and change.before not in known:
                return False
            known += [change.before, change.after]
        return True

    def replaced(self, key: str) -> State | None:
        """Find the state that the last run which changed a resource has replaced."""
        changes = [c for r in self.receipts if r.state == DONE for c in r.changes if c.key == key]
        return changes[-1].before if changes else None

    def intent(self, changes: Iterable[Change]) -> tuple[Written, ...]:
        """Say what is about to be written.

        What an interrupted run had begun is taken over: its `before` is the state to go back to, for its `after`
        is nobody's wish yet.
        """
        broken = self.interrupted
        earlier = {change.key: change for change in broken.changes} if broken else {}
        written = []
        for change in changes:
            begun = earlier.get(change.resource.key)
            before = begun.before if begun and begun.after == change.before else change.before
            written.append(Written(change.resource.key, before, change.after))
        return tuple(written)

    def _is_others(self, receipt: Receipt) -> bool:
        return bool(receipt.machine_id and self.machine_id) and receipt.machine_id != self.machine_id

    @property
    def _counting(self) -> list[Receipt]:
        return [receipt for receipt in self.of_handler if receipt.state != UNDONE]

    @property
    def _changes(self) -> list[Written]:
        return [change for receipt in self.installed for change in receipt.changes]
