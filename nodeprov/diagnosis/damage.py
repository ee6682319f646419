"""What of a node's files is not as it was installed: deleted, replaced or edited since, by whomever."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.diagnosis import difference
from nodeprov.diagnosis.difference import Difference, Truth
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Query, Reader
from nodeprov.node.layout import Layout
from nodeprov.node.state import Facts
from nodeprov.plan.files import FileAt, LinkAt, TreeAt
from nodeprov.states import FileState, LinkState, State, TreeState

Held = Mapping[str, State]
"""What the receipts have as installed, by the resource's key."""


def damage(reader: Reader, facts: Facts, layout: Layout, held: Held, mend: str) -> Iterator[Difference]:
    """Find what of the files is not as it was installed; `mend` is the command that puts it right."""
    for said, cause in (*_links(facts, layout, held), *_files(reader, layout, held)):
        yield Difference(Truth.DISK, said, cause, mend)


_Found = tuple[str, str]
"""What is not as it was installed, and why."""


def _links(facts: Facts, layout: Layout, held: Held) -> Iterator[_Found]:
    """Look at the links by which containerd and people find the runtime."""
    for path in filter(None, (layout.current, layout.link_for_people)):
        wanted, target = held.get(f"link:{path}"), facts.footprint.links.get(path, "")
        is_theirs = target.startswith(tuple(f"{each}/" for each in facts.footprint.handler_folders(layout)))
        if isinstance(wanted, LinkState) and target != wanted.target and not is_theirs:
            if target:
                yield f"{path} leads to {target}, not to {wanted.target}", difference.MOVED
            else:
                yield f"{path} is missing", difference.DELETED


def _files(reader: Reader, layout: Layout, held: Held) -> Iterator[_Found]:
    """Look at the generation that was installed last, and at every file of its release."""
    current = held.get(f"link:{layout.current}")
    folder = f"{layout.handler_folder}/{current.target}" if isinstance(current, LinkState) else ""
    members = {key.partition(":")[2]: state for key, state in held.items() if folder and f":{folder}/" in key}
    targets = [state.target for state in members.values() if isinstance(state, LinkState)]
    releases = dict.fromkeys(posixpath.dirname(target) for target in targets)
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


def _file_difference(path: str, found: State | None, wanted: State) -> Iterator[_Found]:
    if found is None:
        yield f"{path} is missing", difference.DELETED
    elif isinstance(found, FileState) and isinstance(wanted, FileState) and found.content == wanted.content:
        if found != wanted:
            yield f"{path} has another mode or owner than it was installed with", difference.PERMISSIONS
    elif found != wanted:
        cause = difference.EDITED if isinstance(wanted, FileState) else difference.MOVED
        yield f"{path} is not as it was installed", cause


def release_difference(path: str, found: TreeState | None, wanted: State | None) -> _Found | None:
    """Name the first file of a release that is not as it was installed, and why; None if all are.

    A release that was there already is in no receipt of this handler; its name ends in the digest of its files.
    """
    if found is None:
        return f"{path} is missing", difference.DELETED
    if not isinstance(wanted, TreeState):
        is_as_named = found.digest.startswith(path.rpartition("-")[2])
        return None if is_as_named else (f"{path} is not what its name says", difference.TAMPERED)
    here, there = ({entry.path: entry for entry in tree.entries} for tree in (found, wanted))
    for name, entry in there.items():
        if name not in here:
            return f"{path}/{name} is missing", difference.DELETED
        if (sha256 := here[name].sha256) != entry.sha256:
            said = f"{path}/{name} is not the file that was installed: its SHA-256 is {sha256}"
            return said, difference.TAMPERED
        if here[name].mode != entry.mode:
            said = f"{path}/{name} has the mode {here[name].mode:04o}, not {entry.mode:04o}"
            return said, difference.PERMISSIONS
    if strange := sorted({*here} - {*there} | {*found.foreign} - {*wanted.foreign}):
        return f"{path} has files that were not installed: {', '.join(strange)}", difference.ADDED
    return None
