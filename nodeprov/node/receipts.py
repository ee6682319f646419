"""A node's receipts: what each run meant to change, what was there before, and what all of them show."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type
from nodeprov.inventory.canary import canary_handler
from nodeprov.plan.goal import Change, constant
from nodeprov.plan.plan import ACTIONS, ADOPT, CANARY, UNINSTALL, Action, action_named
from nodeprov.plan.state_text import state_from_json, state_to_json
from nodeprov.states import State

SCHEMA = 2
"""1: the first; 2: `adopted`."""


_ACTION = re.compile("[a-z]+")  # it becomes a part of a file's name
_ENDING = {action.name for action in ACTIONS if action.ends_installation}


BEGUN, DONE, UNDONE = "begun", "done", "undone"


@dataclass(frozen=True, slots=True)
class Written:
    """One change as a receipt holds it."""

    key: str
    before: State | None
    after: State | None


@dataclass(frozen=True, slots=True)
class Author:
    """Who runs this: a person, on a controller."""

    user: str
    controller: str
    version: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """One run on one node. `began` and `ended` are UTC in ISO 8601; `state` is begun, done or undone."""

    number: int
    action: str
    handler: str
    machine_id: str
    author: Author
    began: str
    release: str
    changes: tuple[Written, ...]
    state: str = BEGUN
    ended: str = ""
    sha512: Mapping[str, str] = field(default_factory=dict)
    adopted: tuple[str, ...] = ()
    """The keys of those changes that were not made but found made, and are ours from then on."""
    cordons: bool = False
    """Whether the run cordons the node; where it is interrupted, the next one uncordons it."""

    @property
    def by(self) -> str:
        """Name who has run it."""
        return f"{self.author.user}@{self.author.controller}"

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.number:06d}-{self.action}.json"

    def closed(self, state: str, ended: str, kept: Collection[str] = ()) -> Self:
        """Close it as the run ended, without the changes left undone because something needs what was there."""
        done = tuple(change for change in self.changes if change.key not in kept)
        return replace(self, state=state, ended=ended, changes=done)


def to_json(receipt: Receipt) -> dict[str, Any]:
    """Write a receipt as plain values."""
    value = asdict(replace(receipt, changes=()))
    value["schema"] = SCHEMA
    value["changes"] = [
        {"key": c.key, "before": state_to_json(c.before), "after": state_to_json(c.after)} for c in receipt.changes
    ]
    return value


def from_json(value: Mapping[str, Any]) -> Receipt:
    """Read a receipt back; raise NodeprovError if a newer nodeprov wrote it or it is damaged."""
    unknown = "a receipt on the node"
    file = str(value.get("file", unknown)) if isinstance(value, Mapping) else unknown
    try:
        if of_type(int, value["schema"]) > SCHEMA:
            said = f"a newer nodeprov has worked on this node ({file} has schema {value['schema']})"
            raise NodeprovError(said, "use that version, or a later one")
        # What an older nodeprov wrote is brought to today's schema; the file on the node stays as it is.
        return _read({"adopted": (), **value} if value["schema"] < 2 else value)
    except MALFORMED_JSON as error:
        said = " ".join(str(error).split())[:200]
        raise NodeprovError(
            f"{file} is damaged ({type(error).__name__}: {said})",
            "look at it on the node; if it cannot be repaired, move it out of that folder: what it records is "
            "then lost",
        ) from None


def _read(value: Mapping[str, Any]) -> Receipt:
    names = ("action", "handler", "machine_id", "began", "release", "state", "ended")
    words: dict[str, str] = {name: of_type(str, value[name]) for name in names}
    if not _ACTION.fullmatch(words["action"]):
        raise ValueError(f"{words['action']!r} is not an action")
    author = Author(**{name: of_type(str, each) for name, each in value["author"].items()})
    return Receipt(
        number=of_type(int, value["number"]),
        author=author,
        changes=tuple(_written(each) for each in value["changes"]),
        sha512={of_type(str, name): of_type(str, digest) for name, digest in value["sha512"].items()},
        adopted=tuple(of_type(str, key) for key in value["adopted"]),
        cordons=of_type(bool, value.get("cordons", False)),
        **words,
    )


def _written(value: Mapping[str, Any]) -> Written:
    return Written(of_type(str, value["key"]), state_from_json(value["before"]), state_from_json(value["after"]))


@dataclass(frozen=True, slots=True)
class Runs:
    """Some receipts in their order, and what they show of each resource that they name."""

    receipts: tuple[Receipt, ...]

    @property
    def before(self) -> dict[str, State | None]:
        """Each resource's state before the first run that names it."""
        states: dict[str, State | None] = {}
        for change in self._changes:
            states.setdefault(change.key, change.before)
        return states

    @property
    def after(self) -> dict[str, State | None]:
        """The state that each resource was last given; what lay in a folder that was removed is gone."""
        states: dict[str, State | None] = {}
        for change in self._changes:
            states[change.key] = change.after
            kind, _, path = change.key.partition(":")
            if kind == "folder" and change.after is None:
                below = [key for key in states if f"{key.partition(':')[2]}/".startswith(f"{path}/")]
                states |= dict.fromkeys(below)
        return states

    def have_left(self, key: str, state: State | None) -> bool:
        """Tell whether a resource is as at first or as a run left it, and was so for each run that found it.

        If not, somebody else has changed it in between, and what was there at first is not all that is theirs.
        It need not be as the last run meant it to be: an interrupted one may have changed nothing.
        """
        known: list[State | None] = []
        for change in self.changes_of(key):
            if known and change.before not in known:
                return False
            known += [change.before, change.after]
        return bool(known) and state in (*known, self.after[key])

    def changes_of(self, key: str) -> tuple[Written, ...]:
        """List the changes of one resource, in their order."""
        return tuple(change for change in self._changes if change.key == key)

    @property
    def _changes(self) -> list[Written]:
        return [change for receipt in self.receipts for change in receipt.changes]


@dataclass(frozen=True, slots=True)
class History:
    """What was done to this very machine, as far as one handler is concerned: a node may have several."""

    handler: str
    machine_id: str
    on_disk: tuple[Receipt, ...]
    """All receipts, in their order: a disk may be cloned, or outlive a reimaging, and bring those of others."""

    @classmethod
    def read(cls, values: Iterable[Mapping[str, Any]], *, machine_id: str, handler: str, node: str) -> Self:
        """Read the receipts that lie on a node; raise NodeprovError for one that is damaged or too new."""
        history, faults = cls.as_far_as_readable(values, machine_id=machine_id, handler=handler, node=node)
        if faults:
            raise faults[0]
        return history

    @classmethod
    def as_far_as_readable(
        cls, values: Iterable[Mapping[str, Any]], *, machine_id: str, handler: str, node: str
    ) -> tuple[Self, tuple[NodeprovError, ...]]:
        """Read the receipts that can be read, and why each other one cannot, for whoever changes nothing."""
        found, faults = [], []
        for value in values:
            try:
                found.append(from_json(value))
            except NodeprovError as error:
                faults.append(error.at(node))
        found.sort(key=lambda receipt: receipt.number)
        return cls(handler, machine_id, tuple(found)), tuple(faults)

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
        ends = [i for i, each in enumerate(counting) if each.action in _ENDING and each.state == DONE]
        return tuple(counting[ends[-1] + 1 if ends else 0 :])

    @property
    def has_adopted(self) -> bool:
        """Whether what is installed has taken, or was taking, the place of what somebody else had installed."""
        return any(each.action == ADOPT.name for each in self.installed)

    @property
    def neighbours(self) -> tuple[Self, ...]:
        """The histories of the other handlers that are installed on this machine."""
        names = dict.fromkeys(each.handler for each in self.receipts if each.handler != self.handler)
        others = (replace(self, handler=name) for name in names)
        return tuple(each for each in others if each.installed)

    @property
    def interrupted(self) -> Receipt | None:
        """The handler's last run if it ended without a message: its controller died or lost the node."""
        counting = self._counting
        return counting[-1] if counting and counting[-1].state == BEGUN else None

    @property
    def own(self) -> Runs:
        """The runs that an uninstall takes back."""
        return Runs(self.installed)

    @property
    def everyones(self) -> Runs:
        """The runs of all handlers since the last time that none was installed."""
        found: list[Receipt] = []
        present: set[str] = set()
        for receipt in (each for each in self.receipts if each.state != UNDONE):
            if receipt.action in _ENDING and receipt.state == DONE:
                present.discard(receipt.handler)
            else:
                present.add(receipt.handler)
            found = [*found, receipt] if present else []
        return Runs(tuple(found))

    @property
    def before_us(self) -> dict[str, State | None]:
        """Each resource's state before nodeprov first touched it for this handler."""
        return self.own.before

    @property
    def written(self) -> dict[str, State | None]:
        """The state that nodeprov last gave each resource for this handler."""
        return self.own.after

    @property
    def held(self) -> dict[str, State | None]:
        """The state that the handler wants each resource to have; an uninstall that did not end let go of none."""
        return Runs(tuple(r for r in self.installed if r.state == DONE or r.action not in _ENDING)).after

    def given_back(self, key: str) -> Callable[[Any], State | None]:
        """Say what a resource that handlers share becomes when this one leaves.

        It is every handler's whose receipts name it: as long as there is another one it stays what that one wants,
        and the last one gives back what was there before all of them.
        """
        theirs = [each.held[key] for each in self.neighbours if each.held.get(key) is not None]
        if not theirs:
            return constant(self.everyones.before.get(key))
        return lambda current: current if current in theirs else theirs[-1]

    def typed(self, action: Action, node: str, *, release: str = "", is_canary: bool = False) -> str:
        """Return what a person types for an action on the handler alone.

        Without --handler an uninstall would take away all that is on the node. `release` is the name of the folder
        of what a canary tries.
        """
        if action == CANARY:
            version = release.partition("-")[0] or "RELEASE"
            return f"nodeprov {action.typed} {node} --release {version}"
        if is_canary and action == UNINSTALL:
            return f"nodeprov canary abort {node}"
        others = [each for each in self.neighbours if each.handler != canary_handler(self.handler)]
        chosen = f" --handler {self.handler}" if others or is_canary else ""
        return f"nodeprov {action.typed} {node}{chosen}"

    def typed_again(self, run: Receipt, node: str) -> str:
        """Return what a person types to make a run of the handler again.

        That the handler is a canary its receipts tell: it begins by an action of its own.
        """
        action = action_named(run.action)
        if action is None:  # of a nodeprov to come
            return f"nodeprov {run.action} {node}"
        is_canary = any(each.action == CANARY.name for each in self.of_handler)
        return self.typed(action, node, release=run.release, is_canary=is_canary)

    def changes_of(self, key: str) -> tuple[tuple[Receipt, Written], ...]:
        """List the handler's runs that have changed a resource, or may have, with the change; the latest first."""
        found = [(r, c) for r in self.installed for c in r.changes if c.key == key and c.before != c.after]
        return tuple(reversed(found))

    def intent(self, changes: Iterable[Change]) -> tuple[Written, ...]:
        """Return what is about to be written.

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
