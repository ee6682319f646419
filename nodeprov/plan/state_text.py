"""States as texts: as JSON for receipts, saved plans and programs, and in lines and words for people."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.errors import of_type
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


def state_to_json(state: State | None) -> dict[str, Any] | None:
    """Write all that a state is as plain values."""
    match state:
        case None:
            return None
        case FileState(content, mode, uid, gid):
            encoded = base64.b64encode(content).decode()
            return {"kind": "file", "base64": encoded, "mode": mode, "uid": uid, "gid": gid}
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
    """Read a state back; raise one of MALFORMED_JSON if it is none."""
    if value is None:
        return None
    match value["kind"]:
        case "file":
            content = base64.b64decode(value["base64"], validate=True)
            return FileState(content, *(of_type(int, value[name]) for name in ("mode", "uid", "gid")))
        case "link":
            return LinkState(of_type(str, value["target"]))
        case "tree":
            return TreeState(tuple(_entry(*row) for row in value["entries"]), tuple(map(str, value["foreign"])))
        case "label":
            return LabelState(of_type(str, value["value"]))
        case "object":
            return ObjectState.of(of_type(dict, value["manifest"]))
        case "present":
            return PresentState()
        case other:
            raise KeyError(other)


def _entry(path: Any, mode: Any, sha256: Any) -> TreeEntry:
    return TreeEntry(of_type(str, path), of_type(int, mode), of_type(str, sha256))


def summary_json(state: State | None) -> dict[str, Any] | None:
    """Describe a state without a file's content: it may hold others' secrets, and the diff shows what matters."""
    match state:
        case FileState(content, mode, uid, gid):
            return {"kind": "file", "bytes": len(content), "mode": f"{mode:04o}", "owner": f"{uid}:{gid}"}
        case TreeState():
            return {"kind": "tree", "files": len(state.entries), "digest": state.digest}
    return state_to_json(state)


def lines_of(state: State | None) -> str | None:
    """Write a state as a text that can be compared line by line; None if it is none.

    Bytes that are no UTF-8 are kept visible; an object is written much as YAML would be.
    """
    match state:
        case FileState(content):
            return content.decode(errors="backslashreplace")
        case ObjectState():
            return "\n".join(_yaml_like(state.value))
    return None


def _yaml_like(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, each in value.items():
        if isinstance(each, dict):
            yield f"{indent}{name}:{'' if each else ' {}'}"
            yield from _yaml_like(each, indent + "  ")
        elif isinstance(each, list) and any(isinstance(item, dict) for item in each):
            yield f"{indent}{name}:"
            for item in each:
                first, *others = _yaml_like(item) if isinstance(item, dict) and item else [str(item)]
                yield f"{indent}- {first}"
                yield from (f"{indent}  {line}" for line in others)
        else:
            yield f"{indent}{name}: {each}"


def change_text(before: State | None, after: State | None) -> str:
    """Write what a plan shows of a change behind the resource's name; a file's content is shown as a diff."""
    match before, after:
        case FileState(mode=old), FileState(mode=new) if old != new:
            return f": mode {new:04o} (was {old:04o})"
        case LinkState(old), LinkState(new):
            return f" -> {new} (was {old})"
        case _, LinkState(new):
            return f" -> {new}"
        case LabelState(old), LabelState(new):
            return f" = {new} (was {old})"
        case _, LabelState(new):
            return f" = {new}"
        case _, TreeState(entries):
            return f": {len(entries)} files" + (", replacing a damaged one" if before else "")
    return ""
