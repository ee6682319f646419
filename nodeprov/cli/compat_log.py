"""`nodeprov compat-log`: which calls of programs the sandboxes of the nodes did not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED
from nodeprov.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from rich.table import Table

    from nodeprov.workloads.unsupported import PodNotes, Row

_COLUMNS = ("namespace", "workload", "call", "pods", "since", "nodes")


@options.command(
    "nodeprov compat-log",
    "nodeprov compat-log 'worker*' --json",
    codes="0: read, 1: a node could not be read",
)
def compat_log(
    *,
    which: groups.WhichNodesToRead,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Show which calls of programs the sandboxes did not know: by workload, and in how many pods.

    Each sandbox notes each kind of call once, beside the logs of its pod's containers: no setting
    is needed for that, and it costs nothing. So pods are counted, not calls. A note goes when
    kubelet removes the pod's logs. Many programs do without such a call: a note is not an error.
    """
    from nodeprov.cli.session import open_session, print_errors
    from nodeprov.hosts.base import Place
    from nodeprov.runtimes import FAMILY
    from nodeprov.workloads.unsupported import rows

    ask, query = access.ask_sudo_password, FAMILY.unsupported_calls()
    with open_session(access.inventory, access.sets, which.selection, ask_sudo_password=ask) as fleet:
        read = print_errors(fleet.each(lambda node, hosts: (node.name, hosts[Place.NODE].ask([query])[0])))
    found = rows(read.good)
    if shown.as_json:
        show_json({"calls": [asdict(row) for row in found]}, read.errors)
    else:
        _show(found, read.good)
    raise typer.Exit(FAILED if read.errors else DONE)


def _show(found: Sequence[Row], read: Sequence[tuple[str, Sequence[PodNotes]]]) -> None:
    sandboxes = sum(len(pods) for _, pods in read)
    if found:
        show_table(table(found))
    elif sandboxes:
        say("no call is noted that the sandboxes did not know")
    say(
        f"{sandboxes} pod{'' if sandboxes == 1 else 's'} with notes of a sandbox on {len(read)} node"
        f"{'' if len(read) == 1 else 's'}"
    )


def table(found: Sequence[Row]) -> Table:
    """Lay the rows out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, overflow="fold")
    for row in found:
        cells = (row.namespace, row.workload, row.call, str(row.pods), row.since, ", ".join(row.nodes))
        table.add_row(*map(Text, cells))
    return table
