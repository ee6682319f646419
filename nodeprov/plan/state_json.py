"""States of every kind as JSON, for receipts and saved plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodeprov.plan.resources.base import StateKind
from nodeprov.plan.resources.cluster_states import LabelKind, ObjectKind
from nodeprov.plan.resources.file import FileKind
from nodeprov.plan.resources.folder import PresentKind
from nodeprov.plan.resources.link import LinkKind
from nodeprov.plan.resources.tree import TreeKind
from nodeprov.states import State

KINDS: tuple[StateKind[Any], ...] = (
    FileKind(),
    LinkKind(),
    TreeKind(),
    LabelKind(),
    ObjectKind(),
    PresentKind(),
)
_BY_TYPE = {kind.type: kind for kind in KINDS}
_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(state: State) -> StateKind[Any]:
    """Find the kind of a state."""
    return _BY_TYPE[type(state)]


def state_to_json(state: State | None) -> dict[str, Any] | None:
    """Write a state as plain values."""
    if state is None:
        return None
    kind = kind_of(state)
    return {"kind": kind.name, **kind.to_json(state)}


def state_from_json(value: Mapping[str, Any] | None) -> State | None:
    """Read a state back; raise one of MALFORMED_JSON if it is none."""
    if value is None:
        return None
    found: State = _BY_NAME[value["kind"]].from_json(value)
    return found
