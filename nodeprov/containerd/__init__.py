"""containerd's configuration, text to text: our runtime's table in, our runtime's table out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.containerd import tables
from nodeprov.containerd.tables import Refused as Refused
from nodeprov.containerd.tables import parsed, table_at
from nodeprov.statements import KeyPath, dotted, line_of

RUNTIME_TYPE = "io.containerd.runsc.v1"
OPTIONS_TYPE = "io.containerd.runsc.v1.options"
COMMENT = "# added by nodeprov"

# What the CRI service is made of, in 1.x and 2.x; with one of them disabled no pod runs.
CRI_PLUGINS = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images")

# Where the runtimes of the CRI plugin are, by the version that the *file* states. A table in another version's
# place is ignored without a word (gvisor#13985).
RUNTIMES_PATHS: Mapping[int, KeyPath] = {
    1: ("plugins", "cri", "containerd", "runtimes"),
    2: ("plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes"),
    3: ("plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes"),
    4: ("plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes"),
}
_EVERY_PATH = tuple(dict.fromkeys(RUNTIMES_PATHS.values()))


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
    """Read a file's bytes as containerd 2 does: UTF-8, no byte order mark; raise Refused if they are not."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Refused(
            f"line {line} is not UTF-8, and containerd 2 does not start with that",
            "write the file in UTF-8: iconv -f latin1 -t utf8",
        ) from error
    _refuse_byte_order_mark(text)
    return text


def file_version(text: str) -> int:
    """Read the version that a file states: 1 where it states 0 or none (server/config/config.go, `GetVersion`).

    Raises Refused for a text that is no TOML and for a version that is no known one.
    """
    return _version(parsed(text))


def runtimes_path(version: int) -> KeyPath:
    """Name the table of runtimes in a file of this version; raise Refused where nodeprov does not edit it."""
    if version == 1:
        raise Refused(
            "the file states no version, or version 1, which is not supported yet",
            "write it as a newer version: `containerd config migrate` with containerd 2, "
            "`containerd config dump` with containerd 1.x",
        )
    if version not in RUNTIMES_PATHS:
        raise _unknown_version(version)
    return RUNTIMES_PATHS[version]


def declared(text: str, handler: str) -> Mapping[str, Any] | None:
    """Find a handler's table in this text, where the file's version has it; None if there is none."""
    document = parsed(text)
    return table_at(document, (*RUNTIMES_PATHS[_version(document)], handler))


def misplaced(text: str, handler: str) -> KeyPath | None:
    """Find a handler's table where another version of the file would have it, and containerd ignores it."""
    document = parsed(text)
    right = RUNTIMES_PATHS[_version(document)]
    paths = ((*path, handler) for path in _EVERY_PATH if path != right)
    return next((path for path in paths if table_at(document, path) is not None), None)


def add_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Declare a runtime and leave every other byte as it is; a text that declares it comes back unchanged.

    `ours` are runtimes that nodeprov may have written before: their table is brought up to date, and keys that
    others added to it stay. Raises Refused when the edit cannot be made, or containerd would not run gVisor.
    """
    _refuse_byte_order_mark(text)
    path = (*runtimes_path(file_version(text)), runtime.handler)
    _refuse_what_cannot_run(text, runtime.handler)
    found = declared(text, runtime.handler)
    if found is None:
        return tables.insert(text, path, runtime.table(), COMMENT)
    if not _is_ours(found, runtime, ours):
        raise _taken(text, path, found)
    wanted = _updated(found, runtime, ours)
    return text if wanted == found else tables.change(text, path, wanted)


def remove_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Take our table away, wherever it stands, and leave every other byte; a table of somebody else stays.

    Raises Refused when the table cannot be taken out without touching something else.
    """
    for runtimes in _EVERY_PATH:
        path = (*runtimes, runtime.handler)
        found = table_at(parsed(text), path)
        if found is not None and _is_ours(found, runtime, ours):
            text = tables.remove(text, path, COMMENT)
    return text


def empty_config(daemon_version: str) -> str:
    """Write the least configuration for a containerd without a file; it means what no file means.

    Version 3 is read by every 2.x. On 1.x the runtimes of a file take the place of the default ones, so runc is
    declared; `sandbox_mode`, there since 1.7, has its default only if it is said.
    """
    found = re.match(r"v?(\d+)\.(\d+)", daemon_version)
    if not found:
        raise Refused(f"{daemon_version!r} is no version of containerd", "compare `containerd --version`")
    major, minor = int(found[1]), int(found[2])
    if major >= 2:
        return "version = 3\n"
    header = dotted((*RUNTIMES_PATHS[2], "runc"))
    sandbox_mode = 'sandbox_mode = "podsandbox"\n' if minor >= 7 else ""
    return f'version = 2\n\n[{header}]\nruntime_type = "io.containerd.runc.v2"\n{sandbox_mode}'


def _version(document: Mapping[str, Any]) -> int:
    version = document.get("version", 0)
    if not isinstance(version, int) or isinstance(version, bool):
        raise Refused(f"version = {version!r} is not a number", "write it as a number: version = 3")
    if (version or 1) not in RUNTIMES_PATHS:
        raise _unknown_version(version)
    return version or 1


def _unknown_version(version: int) -> Refused:
    return Refused(f"the file states version {version}, which this nodeprov does not know", "it knows 2, 3 and 4")


def _refuse_byte_order_mark(text: str) -> None:
    if text.startswith("\ufeff"):
        raise Refused(
            "the file begins with a byte order mark, and containerd 2 does not start with that",
            "take it away: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE",
        )


def _refuse_what_cannot_run(text: str, handler: str) -> None:
    document = parsed(text)
    disabled = [plugin for plugin in document.get("disabled_plugins", ()) if plugin in CRI_PLUGINS]
    if disabled:
        raise Refused(
            f"disabled_plugins names {', '.join(disabled)}{_on_line(text, ('disabled_plugins',))}: "
            "without it containerd serves no pods",
            f"take {disabled[0]} out of disabled_plugins",
        )
    for runtimes in _EVERY_PATH:
        key = (*runtimes[:2], "enable_selinux")
        if (table_at(document, key[:-1]) or {}).get("enable_selinux") is True:
            raise Refused(
                f"enable_selinux = true{_on_line(text, key)}: every gVisor pod fails with it (gvisor#8747)",
                "set enable_selinux = false on nodes that run gVisor",
            )
    if (wrong := misplaced(text, handler)) is not None:
        version = _version(document)
        raise Refused(
            f"[{dotted(wrong)}]{_on_line(text, wrong)} is not where a version {version} file has it: "
            "containerd ignores it without a word",
            f"remove that table; in this file it is [{dotted((*RUNTIMES_PATHS[version], handler))}]",
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
        f"[{dotted(path)}]{_on_line(text, path)} was not written by nodeprov: {said or 'it has no runtime_type'}",
        "remove that table, or give nodeprov's runtime another handler: [runtime] handler in the inventory",
    )


def _on_line(text: str, path: KeyPath) -> str:
    line = line_of(text, path)
    return f" (line {line})" if line else ""
