"""Receipts: what a run meant to change on a node, what was there before, and how it ended."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from nodeprov.errors import MALFORMED, NodeprovError
from nodeprov.plan import Change
from nodeprov.states import (
    FileState,
    LabelState,
    LinkState,
    ObjectState,
    PresentState,
    State,
    TreeEntry,
    TreeState,
)

SCHEMA = 2
"""1: the first; 2: `adopted`."""

T = TypeVar("T")

_ACTION = re.compile("[a-z]+")  # it becomes a part of a file's name

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
    def name(self) -> str:
        """The name of its file."""
        return f"{self.number:06d}-{self.action}.json"

    def closed(self, state: str, ended: str, kept: Collection[str] = ()) -> Receipt:
        """Say how the run ended, and which changes were left undone because something needs what was there."""
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
        if _of(int, value["schema"]) > SCHEMA:
            said = f"a newer nodeprov has worked on this node ({file} has schema {value['schema']})"
            raise NodeprovError(said, "use that version, or a later one")
        return _read(_migrated(value))
    except MALFORMED as error:
        said = " ".join(str(error).split())[:200]
        raise NodeprovError(
            f"{file} is damaged ({type(error).__name__}: {said})",
            "look at it on the node; if it cannot be mended, move it out of that folder: what it tells is lost",
        ) from None


def _read(value: Mapping[str, Any]) -> Receipt:
    names = ("action", "handler", "machine_id", "began", "release", "state", "ended")
    words: dict[str, str] = {name: _of(str, value[name]) for name in names}
    if not _ACTION.fullmatch(words["action"]):
        raise ValueError(f"{words['action']!r} is no action")
    author = Author(**{name: _of(str, each) for name, each in value["author"].items()})
    return Receipt(
        number=_of(int, value["number"]),
        author=author,
        changes=tuple(_written(each) for each in value["changes"]),
        sha512={_of(str, name): _of(str, digest) for name, digest in value["sha512"].items()},
        adopted=tuple(_of(str, key) for key in value["adopted"]),
        cordons=_of(bool, value.get("cordons", False)),
        **words,
    )


def _written(value: Mapping[str, Any]) -> Written:
    return Written(_of(str, value["key"]), state_from_json(value["before"]), state_from_json(value["after"]))


def _of(kind: type[T], value: Any) -> T:
    """Insist on a value's type: JSON has others, and a file may have been edited."""
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected, not {value!r:.60}")
    return value


def _migrated(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Bring what an older nodeprov wrote to today's schema; the file on the node stays as it is."""
    return {"adopted": (), **value} if value["schema"] < 2 else value


def state_to_json(state: State | None) -> dict[str, Any] | None:
    """Write a state as plain values; bytes become base64."""
    match state:
        case None:
            return None
        case FileState(content, mode, uid, gid):
            return {
                "kind": "file",
                "base64": base64.b64encode(content).decode(),
                "mode": mode,
                "uid": uid,
                "gid": gid,
            }
        case LinkState(target):
            return {"kind": "link", "target": target}
        case TreeState(entries, foreign):
            rows = [[entry.path, entry.mode, entry.sha256] for entry in entries]
            return {"kind": "tree", "entries": rows, "foreign": list(foreign)}
        case LabelState(value):
            return {"kind": "label", "value": value}
        case ObjectState():
            return {"kind": "object", "manifest": state.value}
        case PresentState():
            return {"kind": "present"}


def state_from_json(value: Mapping[str, Any] | None) -> State | None:
    """Read a state back; raise one of MALFORMED if it is none."""
    if value is None:
        return None
    readers: dict[str, Callable[[Mapping[str, Any]], State]] = {
        "file": lambda v: FileState(
            base64.b64decode(v["base64"], validate=True), *(_of(int, v[name]) for name in ("mode", "uid", "gid"))
        ),
        "link": lambda v: LinkState(_of(str, v["target"])),
        "tree": lambda v: TreeState(tuple(_entry(*row) for row in v["entries"]), tuple(map(str, v["foreign"]))),
        "label": lambda v: LabelState(_of(str, v["value"])),
        "object": lambda v: ObjectState.of(_of(dict, v["manifest"])),
        "present": lambda _v: PresentState(),
    }
    return readers[value["kind"]](value)


def _entry(path: Any, mode: Any, sha256: Any) -> TreeEntry:
    return TreeEntry(_of(str, path), _of(int, mode), _of(str, sha256))


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
