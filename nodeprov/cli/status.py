"""`nodeprov status`: what the receipts want, what is there, and what containerd and the cluster make of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED, PENDING
from nodeprov.cli.output import say, show_json, show_lines

if TYPE_CHECKING:
    from nodeprov.diagnosis.status import Status
    from nodeprov.engine.fleet import Fleet
    from nodeprov.errors import NodeprovError
    from nodeprov.inventory import Node

Watch = Annotated[
    int | None,
    typer.Option(
        "--watch",
        metavar="SECONDS",
        min=1,
        max=86400,
        help="Look again every SECONDS, and show the nodes that have changed, until Ctrl-C.",
    ),
]

Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Hash every file of the release, also those that look as they did when they were hashed last.",
    ),
]


@options.command(
    "nodeprov status 'worker*'",
    "nodeprov status --all --deep",
    "nodeprov status --all --watch 30",
    "nodeprov status worker1 --json",
    codes="0: as installed, 1: a node or its cluster could not be read, "
    "3: not as installed, or a run goes on or did not finish",
)
def status(
    *,
    which: groups.WhichToRead,
    deep: Deep = False,
    watch: Watch = None,
    access: groups.Access,
    said: groups.Shown,
) -> None:
    """Compare what was installed with the disk, containerd and the cluster.

    Each file of the release is hashed, unless it has the size, times and inode with which it was hashed by status
    since the node's boot. What differs is named with its cause and the command that repairs it. It also shows
    which releases the running sandboxes have, how the last run ended, and what the node did on its own.
    """
    from nodeprov.cli.session import open_session

    ask, as_json = access.ask_sudo_password, said.as_json
    with open_session(access.inventory, access.sets, which.selection, ask_sudo_password=ask) as fleet:
        shown = Round({}, ())
        try:
            for found in _rounds(fleet, watch, deep=deep):
                before, shown = shown, found  # first: who reads the screen may interrupt while the rest is printed
                show(found, before, as_json=as_json, is_watching=watch is not None)
        except KeyboardInterrupt:  # the way to end a watch, whatever it does at that moment
            if watch is None or not (shown.nodes or shown.errors):
                raise
    raise typer.Exit(shown.exit_code)


@dataclass(frozen=True, slots=True)
class Round:
    """How the nodes stood when they were looked at, by their names and those of their handlers."""

    nodes: dict[tuple[str, str], Status]
    errors: Sequence[NodeprovError]

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        if self.errors:
            return FAILED
        return DONE if all(each.is_settled for each in self.nodes.values()) else PENDING


def _rounds(fleet: Fleet, watch: int | None, *, deep: bool) -> Iterator[Round]:
    """Look at the nodes, and again every so many seconds until somebody interrupts."""
    yield _look(fleet, deep=deep)
    while watch is not None:
        time.sleep(watch)
        yield _look(fleet, deep=deep)


def _look(fleet: Fleet, *, deep: bool) -> Round:
    from nodeprov.diagnosis.status import read_again
    from nodeprov.hosts.base import Hosts, Place
    from nodeprov.kubernetes.cluster_read import ClusterReads
    from nodeprov.local_files import cache_folder
    from nodeprov.runtimes import FAMILY

    def status_of(node: Node, hosts: Hosts) -> Status:
        return read_again(node, hosts[Place.NODE], FAMILY, reads, folder, deep=deep)

    folder = cache_folder() / "digests"
    reads = ClusterReads([view for node in fleet.nodes for view in node.views], fleet.hosts.of)
    reads.begin()
    results = fleet.each_view(status_of)
    # One error of a cluster is raised for each of its nodes.
    of_clusters = {id(each.cluster_fault): each.cluster_fault for each in results.good if each.cluster_fault}
    unread = [fault for each in results.good for fault in each.faults]
    found = {(each.node, each.handler): each for each in results.good}
    return Round(found, (*results.errors, *unread, *of_clusters.values()))


def show(found: Round, shown: Round, *, as_json: bool, is_watching: bool) -> None:
    """Show the nodes, or, where they were shown before, those that have changed since."""
    from nodeprov.cli.output import print_error
    from nodeprov.diagnosis.status_text import as_json as json_of
    from nodeprov.diagnosis.status_text import summary, text
    from nodeprov.engine.context import utc_now

    changed = [each for name, each in found.nodes.items() if shown.nodes.get(name) != each]
    errors = [each for each in found.errors if str(each) not in map(str, shown.errors)]
    if shown.nodes and not changed and not errors:
        return
    for each in errors:
        print_error(each)
    if as_json:
        show_json({"nodes": [json_of(one) for one in changed]}, errors)
        return
    if is_watching:
        say(time.strftime("%Y-%m-%d %H:%M:%S%z"))
    for one in changed:
        show_lines(text(one, utc_now()))
    if len(found.nodes) > 1:
        show_lines(summary(list(found.nodes.values())))
