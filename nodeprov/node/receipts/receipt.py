"""A receipt: what a run meant to change on a node, what was there before, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type
from nodeprov.plan.state_text import state_from_json, state_to_json
from nodeprov.states import (
    State,
)

SCHEMA = 2
"""1: the first; 2: `adopted`."""


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
        if of_type(int, value["schema"]) > SCHEMA:
            said = f"a newer nodeprov has worked on this node ({file} has schema {value['schema']})"
            raise NodeprovError(said, "use that version, or a later one")
        return _read(_migrated(value))
    except MALFORMED_JSON as error:
        said = " ".join(str(error).split())[:200]
        raise NodeprovError(
            f"{file} is damaged ({type(error).__name__}: {said})",
            "look at it on the node; if it cannot be mended, move it out of that folder: what it tells is lost",
        ) from None


def _read(value: Mapping[str, Any]) -> Receipt:
    names = ("action", "handler", "machine_id", "began", "release", "state", "ended")
    words: dict[str, str] = {name: of_type(str, value[name]) for name in names}
    if not _ACTION.fullmatch(words["action"]):
        raise ValueError(f"{words['action']!r} is no action")
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


def _migrated(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Bring what an older nodeprov wrote to today's schema; the file on the node stays as it is."""
    return {"adopted": (), **value} if value["schema"] < 2 else value
