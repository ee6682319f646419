"""A table of our kind of runtime that somebody else wrote: ours comes into its place, and goes out of it again."""

from collections.abc import Mapping
from typing import Any

from nodeprov.containerd import tables
from nodeprov.containerd.config import EVERY_PATH, Config, Refused
from nodeprov.containerd.edit import COMMENT
from nodeprov.containerd.runtime import Runtime
from nodeprov.containerd.versions import on_line, runtimes_place
from nodeprov.toml import key_text

OF_THEIR_PROGRAMS = ("runtime_path", "runtime_engine", "runtime_root", "options")
"""The keys of a table that lead to programs and their settings; all other keys are about pods, and stay."""
BACK = "# put back by nodeprov, as it was before it was taken over"


def others_table(config: Config, runtime: Runtime, daemon_version: str = "") -> Mapping[str, Any] | None:
    """Return the handler's table that stands where containerd reads it, if nodeprov did not write it."""
    found = config.table((*runtimes_place(config, daemon_version), runtime.handler))
    return None if found is None or runtime.owns(found) else found


def taken_over(config: Config, runtime: Runtime, daemon_version: str = "") -> Config:
    """Make the handler's table of somebody else ours, with the keys of theirs that are about pods.

    A text without such a table comes back unchanged. Every byte that is not the table's stays.

    Raises Refused where the table is another kind of runtime's, or cannot be edited alone.
    """
    path = (*runtimes_place(config, daemon_version), runtime.handler)
    found = others_table(config, runtime, daemon_version)
    if found is None:
        return config
    if found.get("runtime_type") != runtime.runtime_type:
        raise Refused(
            f"[{key_text(path)}]{on_line(config, path)} is another runtime's: its runtime_type is "
            f"{found.get('runtime_type')!r}, and not {runtime.runtime_type!r}",
            "give nodeprov's runtime another handler: [runtime] handler in the inventory",
        )
    kept = {key: value for key, value in found.items() if key not in OF_THEIR_PROGRAMS}
    # What theirs said around its values, comments too, is in the receipt, and comes back from there.
    return tables.insert(tables.remove(config, path, COMMENT), path, {**kept, **runtime.table()}, COMMENT)


def handed_back(config: Config, runtime: Runtime, theirs: Mapping[str, Any]) -> Config:
    """Make our table theirs again, wherever it stands; a text that has ours no more comes back unchanged.

    Raises Refused where the table cannot be edited alone.
    """
    for runtimes in EVERY_PATH:
        path = (*runtimes, runtime.handler)
        found = config.table(path)
        if found is not None and runtime.owns(found):
            return tables.insert(tables.remove(config, path, COMMENT), path, theirs, BACK)
    return config
