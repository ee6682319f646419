"""States as JSON, for receipts and saved plans."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

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

T = TypeVar("T")


def of_type(kind: type[T], value: Any) -> T:
    """Insist on a value's type: JSON has others, and a file may have been edited."""
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected, not {value!r:.60}")
    return value


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
            base64.b64decode(v["base64"], validate=True),
            *(of_type(int, v[name]) for name in ("mode", "uid", "gid")),
        ),
        "link": lambda v: LinkState(of_type(str, v["target"])),
        "tree": lambda v: TreeState(tuple(_entry(*row) for row in v["entries"]), tuple(map(str, v["foreign"]))),
        "label": lambda v: LabelState(of_type(str, v["value"])),
        "object": lambda v: ObjectState.of(of_type(dict, v["manifest"])),
        "present": lambda _v: PresentState(),
    }
    return readers[value["kind"]](value)


def _entry(path: Any, mode: Any, sha256: Any) -> TreeEntry:
    return TreeEntry(of_type(str, path), of_type(int, mode), of_type(str, sha256))
