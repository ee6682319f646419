"""What of containerd is not as it was installed: what its next start would read, what the running one serves."""

from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.diagnosis.difference import Difference, Truth
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Reader
from nodeprov.node import loaded_config
from nodeprov.node.daemon import Daemon
from nodeprov.node.imported_files import import_problems, read_imports
from nodeprov.node.layout import Layout
from nodeprov.node.state import Facts
from nodeprov.runtimes.family import Family

REWRITTEN = "something other than nodeprov wrote the file anew, or edited the table"
NOT_RESTARTED = "the configuration is right, and containerd was not restarted since"
OVERRIDDEN = "the table is in the file, and something that is read after it overrides it"


def containerd_differences(
    reader: Reader, facts: Facts, layout: Layout, family: Family, mend: str
) -> Iterator[Difference]:
    """Find what of containerd is not as it was installed; `mend` is the command that puts it right."""
    daemon = facts.daemon
    if daemon is None:
        problem = facts.no_daemon
        yield Difference(Truth.CONTAINERD, problem.message, problem.why, problem.hint)
        return
    if wrong := "; ".join(daemon.cri_errors):
        yield Difference(Truth.CONTAINERD, f"no pod can start: {wrong}", "", f"journalctl -u {daemon.unit}")
    try:
        yield from _of_table(reader, daemon, facts, layout, family, mend)
    except NodeprovError as error:
        yield Difference(Truth.CONTAINERD, f"{daemon.config_path}: {error.message}", "", error.hint)


def _of_table(
    reader: Reader, daemon: Daemon, facts: Facts, layout: Layout, family: Family, mend: str
) -> Iterator[Difference]:
    """Look at our table as containerd would read it at its next start, and as the running one has."""
    handler, table = layout.handler, daemon.effective.runtime(layout.handler)
    # It names the link or, where an install was strict, the generation; the settings may be others by now.
    strict = layout.naming(facts.footprint.links.get(layout.current, ""))
    tables = [family.runtime(each).table() for each in (layout, strict)]
    wanted = next((each for each in tables if loaded_config.same_table(table, each)), tables[0])
    imported = read_imports(reader, daemon)
    if not loaded_config.same_table(table, wanted):
        said = (
            f"{daemon.edited_path} has no runtime {handler} any more, or something overrides it"
            if table is None
            else f"{daemon.edited_path} has another table for the runtime {handler} than was installed"
        )
        override = next(iter(import_problems(daemon, family.runtime(layout), imported)), None)
        if override:
            yield Difference(Truth.CONTAINERD, said, override.message, override.hint)
        else:
            yield Difference(Truth.CONTAINERD, said, _why(daemon, handler, wanted), mend)
        return
    loaded = loaded_config.loaded_runtime(daemon, facts.footprint.record, handler, imported.files)
    if not isinstance(loaded, loaded_config.NotKnown) and not loaded_config.same_table(loaded, wanted):
        said = f"the running containerd has not loaded the runtime {handler} as it was installed"
        yield Difference(Truth.CONTAINERD, said, NOT_RESTARTED, mend)


def _why(daemon: Daemon, handler: str, wanted: Mapping[str, Any]) -> str:
    """Tell a table that is overridden from one that is not in the file any more."""
    in_file = None if daemon.source else daemon.file.runtime(handler)
    return OVERRIDDEN if loaded_config.same_table(in_file, wanted) else REWRITTEN
