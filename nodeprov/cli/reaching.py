"""Reaching the nodes of an inventory; and the end of a run where all of them are as they were with nothing to do.

Nothing of the engine is imported for that: such a run is to take no longer than to log in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import output
from nodeprov.cli.command_log import CommandLog
from nodeprov.cli.main import DONE
from nodeprov.hosts.base import Place, Script
from nodeprov.hosts.provider import HostProvider, SshHosts
from nodeprov.inventory import Inventory, Node
from nodeprov.inventory.selection import Labels, Selection
from nodeprov.local_files import cache_folder

if TYPE_CHECKING:
    from nodeprov.hosts.shell import OnCommand
    from nodeprov.kubernetes.settled import Recalled
    from nodeprov.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Reached:
    """Some nodes and how they are reached; what is remembered of them, if anybody has asked."""

    nodes: Sequence[Node]
    hosts: HostProvider
    recalled: Recalled | None = None


@contextmanager
def reach(
    whole: Inventory,
    which: Sequence[Node] | Selection,
    *,
    ask_sudo_password: bool,
    on_command: OnCommand | None = None,
) -> Iterator[Reached]:
    """Reach nodes, each when it is first needed; `on_command` hears of every command, as --verbose does."""
    listeners, on_ended = [on_command] if on_command else [], None
    if output.shows_commands.is_set():
        log = CommandLog(time.monotonic, with_text=output.shows_scripts.is_set())
        listeners.append(log.on_command)
        on_ended = log.on_ended

    def on_each(host: str, script: Script[Any]) -> None:
        for listener in listeners:
            listener(host, script)

    timings = output.timings() if output.shows_timings.is_set() else None
    try:
        passwords = output.passwords(ask_sudo=ask_sudo_password)
        with SshHosts(whole, on_each, passwords, timings, on_ended) as hosts:
            nodes = which.of(whole, lambda: _labels(whole, hosts)) if isinstance(which, Selection) else which
            hosts.begin(nodes)
            yield Reached(nodes, hosts)
    finally:
        output.show_timings()


def _labels(whole: Inventory, hosts: HostProvider) -> Labels | None:
    """Read the labels that the cluster has for its nodes; None where no cluster is used."""
    from nodeprov.kubernetes.node_labels import read_labels  # few choose by them

    first = whole.nodes[0]
    cluster = hosts.of(first).get(Place.CLUSTER)
    return read_labels(cluster, first.settings.cluster) if cluster else None


@contextmanager
def reach_unless_settled(
    whole: Inventory,
    which: Selection,
    *,
    ask_sudo_password: bool,
    deep: bool,
    show: Callable[[Sequence[Plan]], None],
) -> Iterator[Reached]:
    """Reach nodes; where there is nothing to do for an install on any of them still, show that and end the run.

    `deep` is to look at all nodes, whatever is remembered of them.
    """
    with reach(whole, which, ask_sudo_password=ask_sudo_password) as reached:
        # While the first machines are being reached; paramiko in this thread, which holds up no other then.
        from nodeprov.hosts.ssh import host  # noqa: F401
        from nodeprov.kubernetes.settled import recall

        found = recall(
            reached.nodes, reached.hosts.of, cache_folder() / "nothing-to-do", deep=deep, meanwhile=_prepare
        )
        if found.plans:
            show(found.plans)
            raise typer.Exit(DONE)
        yield Reached(reached.nodes, reached.hosts, found)


def _prepare() -> None:
    """Import what shows the result."""
    import nodeprov.reports.plan  # noqa: F401
