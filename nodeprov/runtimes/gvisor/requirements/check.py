"""What gVisor needs of a node: facts and settings in, problems out."""

from __future__ import annotations

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.facts import Facts
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.layout import former_runtimes, layout
from nodeprov.runtimes.gvisor.requirements import configuration, daemon, machine, places


def check(facts: Facts, settings: Settings, release: Release | None = None) -> tuple[Problem, ...]:
    """Find all the reasons not to begin, before anything is touched."""
    found = [
        *machine.of_machine(facts),
        *machine.of_platform(facts, settings),
        *places.of_places(facts, settings, release),
        *daemon.of_daemon(facts, release.version if release else settings.release.version),
    ]
    if facts.daemon:
        found += configuration.of_source(facts, facts.daemon)
        found += configuration.of_content(facts.daemon, layout(settings).runtime, former_runtimes(facts, settings))
        found += configuration.of_style(facts.daemon, settings)
    found += places.of_others_files(facts, settings)
    return tuple(found)
