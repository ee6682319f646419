"""`nodeprov plan --commands`: every script that making a plan has run, and that carrying it out would run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from nodeprov.cli.output import show_json, show_plans, show_text
from nodeprov.engine.context import this_user
from nodeprov.engine.fleet import Results
from nodeprov.engine.planner import Planned
from nodeprov.engine.rehearsal import rehearse
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Hosts, Script
from nodeprov.hosts.provider import HostProvider
from nodeprov.redaction import redacted
from nodeprov.reports.commands import Command, Commands, comparable, to_text
from nodeprov.reports.plan import plan_json


class PlanCommands:
    """The commands of plans: those that have run while they were made, and those of a rehearsal."""

    def __init__(self) -> None:
        self._read: list[tuple[str, Script[Any]]] = []

    def __call__(self, host: str, script: Script[Any]) -> None:
        """Remember a command that runs."""
        self._read.append((host, script))

    def of(self, planned: Results[Planned], hosts: HostProvider) -> Mapping[str, Commands]:
        """Return the commands of each plan by its node; a failed rehearsal is an error of that node."""
        read, found = tuple(self._read), {}
        for each in planned.good:
            try:
                found[each.node.name] = _commands(each, hosts.of(each.node), read)
            except NodeprovError as error:
                planned.errors.append(error)
        return found


def _commands(planned: Planned, hosts: Hosts, read: Sequence[tuple[str, Script[Any]]]) -> Commands:
    commands = rehearse(planned, hosts, this_user())
    names = {host.name for host in hosts.values()}
    state = planned.settings.paths.state
    reading = [Command(name, "look", comparable(script.text, state)) for name, script in read if name in names]
    return without_secrets(replace(commands, reading=tuple(reading)))


def without_secrets(commands: Commands) -> Commands:
    """Hide what looks secret: no script of ours has any, but settings are in them."""
    parts = {
        name: tuple(replace(each, script=redacted(each.script)) for each in getattr(commands, name))
        for name in Commands.__dataclass_fields__
    }
    return Commands(**parts)


def show(planned: Results[Planned], told: Mapping[str, Commands], *, as_json: bool) -> None:
    """Print each plan, and behind it its commands."""
    if as_json:
        values = [
            {**plan_json(each.plan), "commands": asdict(told[each.node.name])}
            for each in planned.good
            if each.node.name in told
        ]
        show_json({"plans": values}, planned.errors)
        return
    for each in planned.good:
        show_plans([each.plan])
        if each.node.name in told:
            show_text(to_text(told[each.node.name]))
