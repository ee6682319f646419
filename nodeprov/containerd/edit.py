"""containerd's configuration, text to text: our runtime's table in, our runtime's table out.

`add_runtime` and `remove_runtime` are the edit; `versions` knows where the table has to be, `unusable` what else
keeps it from serving, and `tables` cuts and splices. `drop_in_text` is a file that holds our table alone.
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from nodeprov.containerd import tables
from nodeprov.containerd.config import BYTE_ORDER_MARK, EVERY_PATH, Config, Refused
from nodeprov.containerd.faults import unusable
from nodeprov.containerd.import_patterns import import_patterns, is_glob
from nodeprov.containerd.runtime import Runtime, paths_of
from nodeprov.containerd.versions import dead_tables, ended, lacks_runc, on_line, runc_table, runtimes_place
from nodeprov.toml import KeyPath, key_text

COMMENT = "# added by nodeprov"
TAKE_OVER = "to take over what somebody else installed: nodeprov adopt NODE"
RUNC_COMMENT = "# added by nodeprov, as containerd's default has it: a file's runtimes replace the default one"


def add_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = (), daemon_version: str = "") -> str:
    """Declare a runtime in a text, as `with_runtime` does."""
    return with_runtime(Config(text), runtime, ours, daemon_version).text


def remove_runtime(text: str, runtime: Runtime, ours: Sequence[Runtime] = ()) -> str:
    """Take our table out of a text, as `without_runtime` does."""
    return without_runtime(Config(text), runtime, ours).text


def with_runtime(
    config: Config, runtime: Runtime, ours: Sequence[Runtime] = (), daemon_version: str = ""
) -> Config:
    """Declare a runtime where this containerd reads it, and leave every other byte as it is.

    A text that declares it comes back unchanged. `ours` are runtimes that nodeprov may have written before: their
    table is brought up to date, and keys that others added to it stay; one of ours in another version's place,
    which containerd ignores, goes. Where runc would be lost it is declared too.

    Raises Refused when the edit cannot be made, or containerd would not run its pods.
    """
    mark, body = split_mark(config)
    for refused in unusable(body, runtime):
        raise refused
    path = (*runtimes_place(body, daemon_version), runtime.handler)
    found = body.table(path)
    if found is not None and not _is_ours(found, runtime, ours):
        raise _taken(body, path, found, runtime)
    body = _without_dead(body, runtime, ours, daemon_version)
    if found is None:
        body = _with_runc(body, daemon_version)
        return with_mark(mark, tables.insert(body, path, runtime.table(), COMMENT))
    wanted = _updated(found, runtime, ours)
    return with_mark(mark, body if wanted == found else tables.change(body, path, wanted))


def without_runtime(config: Config, runtime: Runtime, ours: Sequence[Runtime] = ()) -> Config:
    """Take our table away, wherever it stands, and leave every other byte; a table of somebody else stays.

    Raises Refused when the table cannot be taken out without touching something else.
    """
    mark, body = split_mark(config)
    for runtimes in EVERY_PATH:
        path = (*runtimes, runtime.handler)
        found = body.table(path)
        if found is not None and _is_ours(found, runtime, ours):
            body = ended(_without_runc(tables.remove(body, path, COMMENT), runtimes))
    return with_mark(mark, body)


def dead_tables_of_others(config: Config, runtime: Runtime, daemon_version: str) -> tuple[str, ...]:
    """Name, with their lines, the handler's tables that nodeprov did not write and this containerd ignores."""
    return tuple(
        f"[{key_text(path)}]{on_line(config, path)}"
        for path in dead_tables(config, runtime.handler, daemon_version)
        if not runtime.owns(config.table(path) or {})
    )


def _without_dead(config: Config, runtime: Runtime, ours: Sequence[Runtime], daemon_version: str) -> Config:
    for path in dead_tables(config, runtime.handler, daemon_version):
        if _is_ours(config.table(path) or {}, runtime, ours):
            config = tables.remove(config, path, COMMENT)
    return config


def _with_runc(config: Config, daemon_version: str) -> Config:
    if not lacks_runc(config, daemon_version):
        return config
    return tables.insert(config, (*config.runtimes_path, "runc"), runc_table(daemon_version), RUNC_COMMENT)


def _without_runc(config: Config, runtimes: KeyPath) -> Config:
    """Take runc out again that `_with_runc` has put in, unless somebody needs it by now, or has changed it."""
    as_we_wrote_it = [{"runc": runc_table(version)} for version in ("1.6", "1.7")]
    if RUNC_COMMENT in config.text and config.table(runtimes) in as_we_wrote_it:
        return tables.remove(config, (*runtimes, "runc"), RUNC_COMMENT)
    return config


def split_mark(config: Config) -> tuple[str, Config]:
    """Take the byte order mark off, which containerd 1.x reads over; `versions` finds what a daemon refuses."""
    body = config.text.removeprefix(BYTE_ORDER_MARK)
    mark = config.text[: len(config.text) - len(body)]
    return mark, Config(body) if mark else config


def with_mark(mark: str, body: Config) -> Config:
    """Put the byte order mark back."""
    return Config(mark + body.text) if mark else body


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
    another = "remove that table, or give nodeprov's runtime another handler: [runtime] handler in the inventory"
    return Refused(
        f"{where} was not written by nodeprov: {said or 'it has no runtime_type'}",
        f"{TAKE_OVER}; or {another}" if found.get("runtime_type") == runtime.runtime_type else another,
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
