"""What is not on a node as it was installed: deleted, replaced or edited since, by whomever."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Query, Reader
from nodeprov.node import loaded_config
from nodeprov.node.daemon import Daemon
from nodeprov.node.imported_files import read_imports
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import History
from nodeprov.node.state import Facts
from nodeprov.plan.files import FileAt, LinkAt, TreeAt
from nodeprov.plan.plan import STAGE
from nodeprov.runtimes.family import Family
from nodeprov.states import FileState, LinkState, State, TreeState

Held = Mapping[str, State]
"""What the receipts have as installed, by the resource's key."""


def damage(reader: Reader, facts: Facts, history: History, layout: Layout, family: Family) -> tuple[str, ...]:
    """Say what is not as it was installed, in words; nothing where nothing is, or while a run has not ended."""
    held = {key: state for key, state in history.held.items() if state is not None}
    only_staged = all(each.action == STAGE.name for each in history.installed)
    if not held or only_staged or history.interrupted:
        return ()
    return (*_links(facts, layout, held), *_files(reader, layout, held), *_table(reader, facts, layout, family))


def _links(facts: Facts, layout: Layout, held: Held) -> Iterator[str]:
    """Look at the links by which containerd and people find the runtime."""
    for path in filter(None, (layout.current, layout.link_for_people)):
        wanted, target = held.get(f"link:{path}"), facts.footprint.links.get(path, "")
        is_theirs = target.startswith(tuple(f"{each}/" for each in facts.footprint.handler_folders(layout)))
        if isinstance(wanted, LinkState) and target != wanted.target and not is_theirs:
            yield f"{path} leads to {target}, not to {wanted.target}" if target else f"{path} is missing"


def _files(reader: Reader, layout: Layout, held: Held) -> Iterator[str]:
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
        yield error.message
        return
    for path, wanted in members.items():
        yield from _file_difference(path, found[path], wanted)
    for path in releases:
        if said := release_difference(path, found[path], held.get(f"tree:{path}")):
            yield said


def _file_difference(path: str, found: State | None, wanted: State) -> Iterator[str]:
    if found is None:
        yield f"{path} is missing"
    elif isinstance(found, FileState) and isinstance(wanted, FileState) and found.content == wanted.content:
        if found != wanted:
            yield f"{path} has another mode or owner than it was installed with"
    elif found != wanted:
        yield f"{path} is not as it was installed"


def release_difference(path: str, found: TreeState | None, wanted: State | None) -> str:
    """Name the first file of a release that is not as it was installed, and how; "" if all are.

    A release that was there already is in no receipt of this handler; its name ends in the digest of its files.
    """
    if found is None:
        return f"{path} is missing"
    if not isinstance(wanted, TreeState):
        return "" if found.digest.startswith(path.rpartition("-")[2]) else f"{path} is not what its name says"
    here, there = ({entry.path: entry for entry in tree.entries} for tree in (found, wanted))
    for name, entry in there.items():
        if name not in here:
            return f"{path}/{name} is missing"
        if here[name].sha256 != entry.sha256:
            return f"{path}/{name} is not the file that was installed: its SHA-256 is {here[name].sha256}"
        if here[name].mode != entry.mode:
            return f"{path}/{name} has the mode {here[name].mode:04o}, not {entry.mode:04o}"
    strange = sorted({*here} - {*there} | {*found.foreign} - {*wanted.foreign})
    return f"{path} has files that were not installed: {', '.join(strange)}" if strange else ""


def _table(reader: Reader, facts: Facts, layout: Layout, family: Family) -> Iterator[str]:
    """Look at our table as containerd would read it at its next start, and as the running one has."""
    daemon, runtime = facts.daemon, family.runtime(layout)
    if daemon is None:
        return  # it is said that containerd does not run
    try:
        table = daemon.effective.runtime(layout.handler)
        loaded = _loaded(reader, daemon, facts, layout.handler)
    except NodeprovError as error:
        yield f"{daemon.config_path}: {error.message}"
        return
    if table is None:
        yield f"{daemon.edited_path} has no runtime {layout.handler} any more, or something overrides it"
    elif not loaded_config.same_table(table, runtime.table()):
        yield f"{daemon.edited_path} has another table for the runtime {layout.handler} than was installed"
    elif not isinstance(loaded, loaded_config.NotKnown) and not loaded_config.same_table(loaded, runtime.table()):
        yield f"the running containerd has not loaded the runtime {layout.handler} as it was installed"


def _loaded(
    reader: Reader, daemon: Daemon, facts: Facts, handler: str
) -> Mapping[str, Any] | loaded_config.NotKnown | None:
    imported = read_imports(reader, daemon).files
    return loaded_config.loaded_runtime(daemon, facts.footprint.record, handler, imported)
