"""containerd's configuration, text to text: our runtime's table in, our runtime's table out.

`add_runtime` and `remove_runtime` are the edit; `versions` knows where the table has to be, `unusable` what else
keeps it from serving, and `tables` cuts and splices. `drop_in_text` is a file that holds our table alone.
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from nodeprov.containerd import tables
from nodeprov.containerd.config import BYTE_ORDER_MARK, EVERY_PATH, Config, Refused
from nodeprov.containerd.faults import on_line, unusable
from nodeprov.containerd.import_patterns import import_patterns, is_glob
from nodeprov.containerd.runtime import Runtime, paths_of
from nodeprov.containerd.versions import ended
from nodeprov.toml import KeyPath, key_text

COMMENT = "# added by nodeprov"


def add_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Declare a runtime in a text, as `with_runtime` does."""
    return with_runtime(Config(text), runtime, ours).text


def remove_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Take our table out of a text, as `without_runtime` does."""
    return without_runtime(Config(text), runtime, ours).text


def with_runtime(config: Config, runtime: Runtime, ours: Sequence[Runtime] = ()) -> Config:
    """Declare a runtime and leave every other byte as it is; a text that declares it comes back unchanged.

    `ours` are runtimes that nodeprov may have written before: their table is brought up to date, and keys that
    others added to it stay. Raises Refused when the edit cannot be made, or containerd would not run its pods.
    """
    mark, body = _split(config)
    path = (*body.runtimes_path, runtime.handler)
    _refuse_what_cannot_run(body, path, runtime)
    found = body.declared(runtime.handler)
    if found is None:
        return _joined(mark, tables.insert(body, path, runtime.table(), COMMENT))
    if not _is_ours(found, runtime, ours):
        raise _taken(body, path, found, runtime)
    wanted = _updated(found, runtime, ours)
    return config if wanted == found else _joined(mark, tables.change(body, path, wanted))


def without_runtime(config: Config, runtime: Runtime, ours: Sequence[Runtime] = ()) -> Config:
    """Take our table away, wherever it stands, and leave every other byte; a table of somebody else stays.

    Raises Refused when the table cannot be taken out without touching something else.
    """
    mark, body = _split(config)
    for runtimes in EVERY_PATH:
        path = (*runtimes, runtime.handler)
        found = body.table(path)
        if found is not None and _is_ours(found, runtime, ours):
            body = ended(tables.remove(body, path, COMMENT))
    return _joined(mark, body)


def _split(config: Config) -> tuple[str, Config]:
    """Take the byte order mark off, which containerd 1.x reads over; `versions` finds what a daemon refuses."""
    body = config.text.removeprefix(BYTE_ORDER_MARK)
    mark = config.text[: len(config.text) - len(body)]
    return mark, Config(body) if mark else config


def _joined(mark: str, body: Config) -> Config:
    return Config(mark + body.text) if mark else body


def _refuse_what_cannot_run(config: Config, path: KeyPath, runtime: Runtime) -> None:
    for refused in unusable(config, runtime):
        raise refused
    if (wrong := config.misplaced(path[-1])) is not None:
        raise Refused(
            f"[{key_text(wrong)}]{on_line(config, wrong)} is not where a version {config.version} file has it: "
            "containerd ignores it without a word",
            f"remove that table; in this file it is [{key_text(path)}]",
        )


def _is_ours(found: Mapping[str, Any], runtime: Runtime, ours: Sequence[Runtime]) -> bool:
    return any(each.owns(found) for each in (runtime, *ours))


def _updated(found: Mapping[str, Any], runtime: Runtime, ours: Sequence[Runtime]) -> dict[str, Any]:
    """Return what our table is to hold: what it holds, less what we once wrote, with what we write now."""
    kept = dict(found)
    for old in ours:
        for key in old.table().keys() - runtime.table().keys():
            if kept.get(key) == old.table()[key]:
                del kept[key]
    options = {**found.get("options", {}), **runtime.table()["options"]}
    return {**kept, **runtime.table(), "options": options}


def _taken(config: Config, path: KeyPath, found: Mapping[str, Any], runtime: Runtime) -> Refused:
    options = found.get("options")
    values = {**(options if isinstance(options, Mapping) else {}), **found}
    keys = ("runtime_type", "runtime_path", *(key for key in paths_of(runtime.table()) if key != "runtime_path"))
    said = ", ".join(f"{key} = {values[key]!r}" for key in keys if values.get(key) is not None)
    where = f"[{key_text(path)}]{on_line(config, path)}"
    return Refused(
        f"{where} was not written by nodeprov: {said or 'it has no runtime_type'}",
        "remove that table, or give nodeprov's runtime another handler: [runtime] handler in the inventory",
    )


FILE_COMMENT = "# Written by nodeprov; `nodeprov uninstall` takes it away."


def drop_in_path(config_path: str, config: Config, handler: str) -> str | None:
    """Name the file: in the first folder all of whose *.toml are imported; None if there is no such folder."""
    for pattern in import_patterns(config, config_path):
        folder, name = posixpath.split(pattern)
        if name == "*.toml" and not is_glob(folder):
            return f"{folder}/nodeprov-{handler}.toml"
    return None


def drop_in_text(config: Config, runtime: Runtime) -> str:
    """Write the file, in the version of the configuration file: no containerd 2 minds that one."""
    return add_runtime(f"{FILE_COMMENT}\nversion = {config.version}\n", runtime)
