"""`nodeprov history`: the runs that were made from this machine, by its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import print_error, say, show_json, show_table
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

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
        show_table(_node_table(found, nodes) if nodes else _run_table(found))
    else:
        of_nodes = f" of {', '.join(nodes)}" if nodes else ""
        say(f"no run{of_nodes} is in {journal.path}")


def _nodes_of(entry: Entry, patterns: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """List those of a run's nodes that are asked for."""
    if not patterns:
        return list(entry.nodes)
    return [node for node in entry.nodes if any(fnmatchcase(node["node"], each) for each in patterns)]


def _run_table(runs: Sequence[Entry]) -> Table:
    """Lay out runs, each with its command below it."""
    table = _table("began", "run", "by", "action", "result")
    for entry in runs:
        value = entry.value
        counts = Counter(_word(node["result"]) for node in entry.nodes)
        said = ", ".join(
            [*(["refused"] if _is_refused(entry) else []), *(f"{count} {word}" for word, count in counts.items())]
        )
        lines = [said if entry.has_ended else f"its end is not known: {len(entry.nodes)} nodes", value["command"]]
        lines += [f"why: {each}" for each in _errors(entry)] if _is_refused(entry) else []
        lines += [f"release {', '.join(value['releases'])}"] if value["releases"] else []
        lines += [f"report {value['report']}"] if value["report"] else []
        _add(table, _time(value["began"]), value["run"], _by(value), value["action"], "\n".join(lines))
    return table


def _is_refused(entry: Entry) -> bool:
    """Tell whether a run was not begun on any node, for reasons that are in the journal."""
    return bool(_errors(entry)) and all(node["result"] in ("untouched", "nothing") for node in entry.nodes)


def _errors(entry: Entry) -> list[str]:
    """Write what went wrong besides the nodes' own runs."""
    errors = entry.value.get("errors") or ()
    return [": ".join(filter(None, (str(each.get("where") or ""), str(each.get("message"))))) for each in errors]


def _node_table(runs: Sequence[Entry], patterns: Sequence[str]) -> Table:
    """Lay out what the runs did to some nodes."""
    table = _table("began", "run", "by", "action", "node", "result", "changes", "restart", "seconds")
    for entry in runs:
        value = entry.value
        for node in _nodes_of(entry, patterns):
            result = f"{_word(node['result'])}\n{node['said']}" if node["said"] else _word(node["result"])
            seconds = "" if node["seconds"] is None else f"{node['seconds']:.1f}"
            ran = node["result"] not in ("nothing", "untouched")
            effect = (str(node["changed"]), "yes" if node["restarted"] else "no") if ran else ("", "")
            begun = (_time(value["began"]), value["run"], _by(value), value["action"])
            _add(table, *begun, node["node"], result, *effect, seconds)
    return table


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=True)
    for name in names:
        table.add_column(name, justify="right" if name in ("changes", "seconds") else "left", overflow="fold")
    return table


def _add(table: Table, *texts: str) -> None:
    from rich.text import Text

    from nodeprov.redaction import visible

    table.add_row(*(Text(visible(text)) for text in texts))


def _word(result: str) -> str:
    from nodeprov.reports.run import WORDS

    known = {str(name): word for name, word in WORDS.items()}
    return known.get(result, result)


def _by(value: Mapping[str, Any]) -> str:
    return f"{value['user']}@{value['controller']}"


def _time(text: str) -> str:
    """Shorten a time: UTC, to the second."""
    return text.removesuffix("+00:00").replace("T", " ") + "Z" if text.endswith("+00:00") else text
