"""Taking the place of a runtime that somebody else installed: the reasons not to, and what a person is told."""

from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov import containerd
from nodeprov.containerd import Runtime, takeover
from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Reader
from nodeprov.node.daemon import Daemon
from nodeprov.node.state import NodeState
from nodeprov.runtimes.family import Family
from nodeprov.runtimes.foreign import described, read_foreign, table_of_others

EDIT = "nodeprov edits one table, and nothing that it cannot edit alone"


def adoption_problems(daemon: Daemon, runtime: Runtime, theirs: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what keeps a table of somebody else from being replaced by ours; `theirs` is what it holds."""
    effective = daemon.effective.runtime(runtime.handler) or {}
    # containerd leaves out of its effective configuration what is empty.
    if any((effective.get(key) or None) != (value or None) for key, value in _plain(theirs)):
        yield Problem(
            f"something that is read after {daemon.config_path} overrides its table of the runtime "
            f"{runtime.handler}: replaced, it would be overridden too",
            f"take that table out of the file that {daemon.config_path} imports",
            "only the table in containerd's own configuration file is adopted",
        )
        return
    try:  # the edit, for nobody: what blocks it is found before anything is touched
        ours = takeover.taken_over(daemon.file, runtime, daemon.version_to_start)
        containerd.with_runtime(ours, runtime, (), daemon.version_to_start)
    except NodeprovError as error:
        yield Problem(f"{daemon.config_path}: {error.message}", error.hint, EDIT)


def _plain(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in table.items() if not isinstance(value, Mapping))


def notes(state: NodeState, family: Family, reader: Reader) -> Iterator[str]:
    """Say what is adopted, and what becomes of it."""
    theirs = table_of_others(state.daemon, family.runtime(state.layout))
    if theirs is None:
        yield "nothing of somebody else's is here to be adopted: this is an install like any other"
        return
    yield from described(read_foreign(reader, theirs, family), family)
    people = state.layout.link_for_people
    if people and state.footprint.is_others(people):
        yield f"{people} is not nodeprov's and stays: whoever types {state.layout.program} gets that release"
    yield f"`nodeprov uninstall {state.node.name}` puts their table back, and with it what is here now"
