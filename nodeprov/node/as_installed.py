"""What of an installation is not as it was installed: files, links and releases against what the receipts have."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Query, Reader
from nodeprov.plan.files import FileAt, LinkAt, TreeAt
from nodeprov.states import FileState, LinkState, State, TreeState

Held = Mapping[str, State | None]
"""What the receipts have as installed, by the resource's key."""
Found = tuple[str, str]
"""What is not as it was installed, and why."""

TAMPERED = "something other than nodeprov replaced it: if you do not know what, treat it as tampering"
EDITED = "it was edited on the node, and its content comes from the inventory: make the change there"
DELETED = "something other than nodeprov deleted it"
MOVED = "something other than nodeprov changed the link"
PERMISSIONS = "something other than nodeprov changed its permissions or owner"
ADDED = "something other than nodeprov added them"


def generation_differences(reader: Reader, folder: str, held: Held, release: str = "") -> Iterator[Found]:
    """Look, in one round trip, at a generation's files and links and at every file of its release.

    `release` is the release's folder, where the receipts may tell of no link that leads there.
    """
    members = {key.partition(":")[2]: state for key, state in held.items() if f":{folder}/" in key and state}
    targets = [posixpath.dirname(state.target) for state in members.values() if isinstance(state, LinkState)]
    releases = dict.fromkeys([*targets, *([release] if release else [])])
    queries: dict[str, Query[Any]] = {
        path: LinkAt(path) if isinstance(state, LinkState) else FileAt(path) for path, state in members.items()
    } | {path: TreeAt(path) for path in releases}
    try:
        found = dict(zip(queries, reader.ask(list(queries.values())), strict=True))
    except NodeprovError as error:  # a folder where a file was, say
        yield error.message, ""
        return
    for path, wanted in members.items():
        yield from _file_difference(path, found[path], wanted)
    for path in releases:
        if differs := release_difference(path, found[path], held.get(f"tree:{path}")):
            yield differs


def _file_difference(path: str, found: State | None, wanted: State) -> Iterator[Found]:
    if found is None:
        yield f"{path} is missing", DELETED
    elif isinstance(found, FileState) and isinstance(wanted, FileState) and found.content == wanted.content:
        if found != wanted:
            yield f"{path} has another mode or owner than it was installed with", PERMISSIONS
    elif found != wanted:
        cause = EDITED if isinstance(wanted, FileState) else MOVED
        yield f"{path} is not as it was installed", cause


def release_difference(path: str, found: TreeState | None, wanted: State | None) -> Found | None:
    """Name the first file of a release that is not as it was installed, and why; None if all are.

    A release that was there already is in no receipt of this handler; its name ends in the digest of its files.
    """
    if found is None:
        return f"{path} is missing", DELETED
    if not isinstance(wanted, TreeState):
        is_as_named = found.digest.startswith(path.rpartition("-")[2])
        return None if is_as_named else (f"{path} does not match its name", TAMPERED)
    here, there = ({entry.path: entry for entry in tree.entries} for tree in (found, wanted))
    for name, entry in there.items():
        if name not in here:
            return f"{path}/{name} is missing", DELETED
        if (sha256 := here[name].sha256) != entry.sha256:
            said = f"{path}/{name} is not the file that was installed: its SHA-256 is {sha256}"
            return said, TAMPERED
        if here[name].mode != entry.mode:
            said = f"{path}/{name} has the mode {here[name].mode:04o}, not {entry.mode:04o}"
            return said, PERMISSIONS
    if strange := sorted({*here} - {*there} | {*found.foreign} - {*wanted.foreign}):
        return f"{path} has files that were not installed: {', '.join(strange)}", ADDED
    return None
