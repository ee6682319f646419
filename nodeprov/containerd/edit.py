"""containerd's configuration, text to text: our runtime's table in, our runtime's table out.

`add_runtime` and `remove_runtime` are the edit; `versions` says where the table has to be, `unusable` what else in
the file is against it, and `tables` cuts and splices.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.containerd import tables
from nodeprov.containerd.faults import on_line, unusable
from nodeprov.containerd.tables import BYTE_ORDER_MARK, Refused, parsed, table_at
from nodeprov.containerd.versions import (
    EVERY_PATH,
    RUNTIMES_PATHS,
    ended,
    file_version,
    runtimes_path,
    version_of,
)
from nodeprov.toml import KeyPath, dotted

RUNTIME_TYPE = "io.containerd.runsc.v1"
OPTIONS_TYPE = "io.containerd.runsc.v1.options"
COMMENT = "# added by nodeprov"
MOST_BYTES = 1 << 20
"""A full `containerd config default` has twelve thousand."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime of the CRI plugin that runs gVisor's shim; both paths are absolute."""

    handler: str
    runtime_path: str
    config_path: str
    pod_annotations: tuple[str, ...] = ()

    def table(self) -> dict[str, Any]:
        """Say what the table holds: containerd, internal/cri/config/config.go, `Runtime`."""
        return {
            "runtime_type": RUNTIME_TYPE,
            "runtime_path": self.runtime_path,
            **({"pod_annotations": list(self.pod_annotations)} if self.pod_annotations else {}),
            "options": {"TypeUrl": OPTIONS_TYPE, "ConfigPath": self.config_path},
        }

    def owns(self, table: Mapping[str, Any]) -> bool:
        """Say whether a table was made for this handler, perhaps for another generation of it.

        Both its paths must lie in the handler's folder: `…/handlers/runsc/` for `…/handlers/runsc/current/…`.
        """
        options = table.get("options")
        config_path = options.get("ConfigPath") if isinstance(options, Mapping) else None
        return (
            table.get("runtime_type") == RUNTIME_TYPE
            and self._is_near(self.runtime_path, table.get("runtime_path"))
            and self._is_near(self.config_path, config_path)
        )

    def _is_near(self, mine: str, other: object) -> bool:
        folder = posixpath.dirname(posixpath.dirname(mine))
        if posixpath.basename(folder) != self.handler:
            return mine == other
        return isinstance(other, str) and posixpath.normpath(other).startswith(f"{folder}/")


def decode(content: bytes) -> str:
    """Read a file's bytes as UTF-8; raise Refused for other bytes, and for more than a configuration has."""
    if len(content) > MOST_BYTES:
        raise Refused(
            f"it has {len(content) >> 10} KiB, more than any configuration of containerd",
            "look at what wrote it; nodeprov edits up to 1024 KiB",
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Refused(
            f"line {line} is not UTF-8, and containerd 2 does not start with that",
            "write the file in UTF-8: iconv -f latin1 -t utf8",
        ) from error


def declared(text: str, handler: str) -> Mapping[str, Any] | None:
    """Find a handler's table in this text, where the file's version has it; None if there is none."""
    document = parsed(text)
    return table_at(document, (*RUNTIMES_PATHS[version_of(document)], handler))


def misplaced(text: str, handler: str) -> KeyPath | None:
    """Find a handler's table where another version of the file would have it, and containerd ignores it."""
    document = parsed(text)
    right = RUNTIMES_PATHS[version_of(document)]
    paths = ((*path, handler) for path in EVERY_PATH if path != right)
    return next((path for path in paths if table_at(document, path) is not None), None)


def add_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Declare a runtime and leave every other byte as it is; a text that declares it comes back unchanged.

    `ours` are runtimes that nodeprov may have written before: their table is brought up to date, and keys that
    others added to it stay. Raises Refused when the edit cannot be made, or containerd would not run gVisor.
    """
    mark, text = _split(text)
    path = (*runtimes_path(file_version(text)), runtime.handler)
    _refuse_what_cannot_run(text, path)
    found = declared(text, runtime.handler)
    if found is None:
        return mark + tables.insert(text, path, runtime.table(), COMMENT)
    if not _is_ours(found, runtime, ours):
        raise _taken(text, path, found)
    wanted = _updated(found, runtime, ours)
    return mark + (text if wanted == found else tables.change(text, path, wanted))


def remove_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Take our table away, wherever it stands, and leave every other byte; a table of somebody else stays.

    Raises Refused when the table cannot be taken out without touching something else.
    """
    mark, text = _split(text)
    for runtimes in EVERY_PATH:
        path = (*runtimes, runtime.handler)
        found = table_at(parsed(text), path)
        if found is not None and _is_ours(found, runtime, ours):
            text = ended(tables.remove(text, path, COMMENT))
    return mark + text


def _split(text: str) -> tuple[str, str]:
    """Take the byte order mark off, which containerd 1.x reads over; what a daemon minds, `versions` says."""
    body = text.removeprefix(BYTE_ORDER_MARK)
    return text[: len(text) - len(body)], body


def _refuse_what_cannot_run(text: str, path: KeyPath) -> None:
    for refused in unusable(text, parsed(text)):
        raise refused
    if (wrong := misplaced(text, path[-1])) is not None:
        raise Refused(
            f"[{dotted(wrong)}]{on_line(text, wrong)} is not where a version {file_version(text)} file has it: "
            "containerd ignores it without a word",
            f"remove that table; in this file it is [{dotted(path)}]",
        )


def _is_ours(found: Mapping[str, Any], runtime: Runtime, ours: Sequence[Runtime]) -> bool:
    return any(each.owns(found) for each in (runtime, *ours))


def _updated(found: Mapping[str, Any], runtime: Runtime, ours: Sequence[Runtime]) -> dict[str, Any]:
    """Say what our table is to hold: what it holds, less what we once wrote, with what we write now."""
    kept = dict(found)
    for old in ours:
        for key in old.table().keys() - runtime.table().keys():
            if kept.get(key) == old.table()[key]:
                del kept[key]
    options = {**found.get("options", {}), **runtime.table()["options"]}
    return {**kept, **runtime.table(), "options": options}


def _taken(text: str, path: KeyPath, found: Mapping[str, Any]) -> Refused:
    options = found.get("options")
    config_path = options.get("ConfigPath") if isinstance(options, Mapping) else None
    values = {
        "runtime_type": found.get("runtime_type"),
        "runtime_path": found.get("runtime_path"),
        "ConfigPath": config_path,
    }
    said = ", ".join(f"{key} = {value!r}" for key, value in values.items() if value is not None)
    return Refused(
        f"[{dotted(path)}]{on_line(text, path)} was not written by nodeprov: {said or 'it has no runtime_type'}",
        "remove that table, or give nodeprov's runtime another handler: [runtime] handler in the inventory",
    )
