"""`nodeprov plan --commands`: every script that making a plan has run, and that carrying it out would run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nodeprov.cli.output import show_json, show_plans, show_text
from nodeprov.cli.session import author
from nodeprov.engine.fleet import Answers, Session
from nodeprov.engine.planner import Planned
from nodeprov.engine.rehearsal import rehearse
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Script
from nodeprov.redaction import redacted
from nodeprov.reports.commands import Command, Commands, comparable, to_json, to_text
from nodeprov.reports.plan import plan_json


class Told:
    """The commands of the plans of a session: it listens while they are made, and rehearses them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._read: list[tuple[str, Script[Any]]] = []
        self._hear = session.connections.on_command
        session.connections.on_command = self._on_command

    def _on_command(self, host: str, script: Script[Any]) -> None:
        self._read.append((host, script))
        self._hear(host, script)

    def of(self, planned: Answers[Planned]) -> Mapping[str, Commands]:
        """Tell the commands of each plan by its node; what cannot be told is an error of that node."""
        read, found = tuple(self._read), {}
        for each in planned.good:
            try:
                found[each.node.name] = self._of(each, read)
            except NodeprovError as error:
                planned.errors.append(error)
        return found

    def _of(self, planned: Planned, read: Sequence[tuple[str, Script[Any]]]) -> Commands:
        hosts = self._session.connections.of(planned.node)
        commands = rehearse(planned, hosts, author())
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


def show(planned: Answers[Planned], told: Mapping[str, Commands], *, as_json: bool) -> None:
    """Print each plan, and behind it its commands."""
    if as_json:
        values = [
            {**plan_json(each.plan), "commands": to_json(told[each.node.name])}
            for each in planned.good
            if each.node.name in told
        ]
        show_json({"plans": values}, planned.errors)
        return
    for each in planned.good:
        show_plans([each.plan])
        if each.node.name in told:
            show_text(to_text(told[each.node.name]))
