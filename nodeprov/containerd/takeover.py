"""A table of our kind of runtime that somebody else wrote: ours comes into its place, and goes out of it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.containerd import tables
from nodeprov.containerd.config import EVERY_PATH, Config, Refused
from nodeprov.containerd.edit import COMMENT, split_mark, with_mark, without_runtime
from nodeprov.containerd.runtime import Runtime
from nodeprov.containerd.versions import on_line, runtimes_place
from nodeprov.toml import KeyPath, key_text

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
    mark, body = split_mark(config)
    path = (*runtimes_place(body, daemon_version), runtime.handler)
    found = others_table(body, runtime, daemon_version)
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
    bare = tables.remove(body, path, COMMENT)
    return with_mark(mark, tables.insert(bare, path, {**kept, **runtime.table()}, COMMENT))


@dataclass(frozen=True, slots=True)
class Taken:
    """A table that made room for ours: the text in which it stood, without a byte order mark, and where."""

    config: Config
    path: KeyPath


def taken_between(before: Config, after: Config, ours: Sequence[Runtime]) -> Taken | None:
    """Find the table of somebody else that an edit has replaced by one of ours; None if it has replaced none."""
    (_, before), (_, after) = split_mark(before), split_mark(after)
    for runtimes in EVERY_PATH:
        path = (*runtimes, ours[0].handler)
        was, now = before.table(path), after.table(path)
        if was is not None and not _owns(ours, was) and now is not None and _owns(ours, now):
            return Taken(before, path)
    return None


def handed_back(config: Config, ours: Sequence[Runtime], taken: Taken) -> Config:
    """Make our table theirs again; a text that has ours no more comes back unchanged.

    Theirs comes back where it was, byte for byte, whatever else others have edited since. Where the lines around
    it are other ones by now its bytes come to the end; and where it had no header of its own, its values do.

    Raises Refused where the table cannot be edited alone.
    """
    mark, body = split_mark(config)
    paths = [(*runtimes, ours[0].handler) for runtimes in EVERY_PATH]
    place = next((path for path in paths if _owns(ours, body.table(path) or {})), None)
    if place is None:
        return config
    without = without_runtime(body, ours[0], ours[1:])
    if place == taken.path:
        back = tables.put_back(without, taken.config, place, COMMENT)
        if back := back or tables.put_at_end(without, taken.config, place, BACK):
            return with_mark(mark, back)
    theirs = taken.config.table(taken.path) or {}
    return with_mark(mark, tables.insert(without, place, theirs, BACK))


def _owns(ours: Sequence[Runtime], table: Mapping[str, Any]) -> bool:
    return any(each.owns(table) for each in ours)
