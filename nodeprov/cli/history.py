"""`nodeprov history`: the runs that were made from this machine, by its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import print_error, say, show_json, show_lines
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.cli.journal import Entry

LAST = 20


@options.command(
    "nodeprov history",
    "nodeprov history worker1 --last 5",
    "nodeprov history 'gpu-*' --json",
    codes="0: shown, 1: the journal cannot be read",
)
def history(
    nodes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only runs of these nodes: names, or globs such as 'worker*'.",
            metavar="NODE",
            autocompletion=options.node_names,
        ),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", metavar="N", help="Show at most so many runs, the newest.")
    ] = LAST,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show which runs from this machine changed nodes: when, who, what, and how each ended.

    Every run of install, uninstall and apply that changes something, or tries to, is noted in a journal that only
    you can read. Nothing is connected to. What other machines have changed is not in it: see `nodeprov status`.
    """
    from nodeprov.cli.journal import Journal, journal_folder

    if last < 1:
        raise UsageError(f"--last is {last}, and not a number of runs", "write it as --last 5")
    journal = Journal(journal_folder())
    runs, damage = journal.read()
    found = [entry for entry in runs if not nodes or _nodes_of(entry, nodes)][-last:]
    for each in damage:
        print_error(each)
    if as_json:
        values = [{**entry.value, "nodes": _nodes_of(entry, nodes)} for entry in found]
        show_json({"journal": str(journal.path), "runs": values}, damage)
    elif found:
        now = datetime.now(UTC).isoformat()
        show_lines("\n".join(_nodes_text(each, nodes, now) if nodes else _run_text(each, now) for each in found))
    else:
        of_nodes = f" of {', '.join(nodes)}" if nodes else ""
        say(f"no run{of_nodes} is in {journal.path}")


def _nodes_of(entry: Entry, patterns: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """List those of a run's nodes that are asked for."""
    if not patterns:
        return list(entry.nodes)
    return [node for node in entry.nodes if any(fnmatchcase(node["node"], each) for each in patterns)]


def _run_text(entry: Entry, now: str) -> str:
    """Write a run: when, what, by whom and how it ended, and below that its command."""
    value = entry.value
    counts = Counter(_word(node["result"]) for node in entry.nodes)
    said = [*(["refused"] if _is_refused(entry) else []), *(f"{count} {word}" for word, count in counts.items())]
    ended = ", ".join(said) if entry.has_ended else f"its end is not known: {len(entry.nodes)} nodes"
    lines = [f"{_head(value, now)}: {ended}", f"  {value['command']}"]
    lines += [f"  why: {each}" for each in _errors(entry)] if _is_refused(entry) else []
    lines += [f"  release {', '.join(value['releases'])}"] if value["releases"] else []
    lines += [f"  report {value['report']}"] if value["report"] else []
    return "\n".join(lines)


def _nodes_text(entry: Entry, patterns: Sequence[str], now: str) -> str:
    """Write what a run did to some nodes."""
    return "\n".join([_head(entry.value, now), *(f"  {_node_text(each)}" for each in _nodes_of(entry, patterns))])


def _head(value: Mapping[str, Any], now: str) -> str:
    from nodeprov.reports.when import when_text

    by = f"{value['user']}@{value['controller']}"
    return f"{when_text(value['began'], now)}: {value['action']} by {by}, run {value['run']}"


def _node_text(node: Mapping[str, Any]) -> str:
    parts = [_word(node["result"])]
    if node["result"] not in ("nothing", "untouched"):
        changed = node["changed"]
        parts.append(f"{changed} change{'' if changed == 1 else 's'}")
        parts += ["containerd restarted"] if node["restarted"] else []
        parts += [] if node["seconds"] is None else [f"{node['seconds']:.1f} s"]
    return f"{node['node']}: {', '.join(parts)}{': ' if node['said'] else ''}{node['said']}"


def _is_refused(entry: Entry) -> bool:
    """Tell whether a run was not begun on any node, for reasons that are in the journal."""
    return bool(_errors(entry)) and all(node["result"] in ("untouched", "nothing") for node in entry.nodes)


def _errors(entry: Entry) -> list[str]:
    """Write what went wrong besides the nodes' own runs."""
    errors = entry.value.get("errors") or ()
    return [": ".join(filter(None, (str(each.get("where") or ""), str(each.get("message"))))) for each in errors]


def _word(result: str) -> str:
    from nodeprov.reports.run import WORDS

    known = {str(name): word for name, word in WORDS.items()}
    return known.get(result, result)
