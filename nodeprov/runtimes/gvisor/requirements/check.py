"""All that stands against an installation of gVisor on a node, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.facts import Facts
from nodeprov.node.footprint import Footprint
from nodeprov.node.machine import Machine
from nodeprov.node.requirements import configuration, places
from nodeprov.node.requirements import daemon as any_daemon
from nodeprov.node.requirements import machine as any_machine
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import tree_bytes
from nodeprov.runtimes.gvisor.layout import former_runtimes, layout
from nodeprov.runtimes.gvisor.requirements import daemon as gvisor_daemon
from nodeprov.runtimes.gvisor.requirements import machine as gvisor_machine

USES = {
    "prefix": "runsc and its shim are executed from there",
    "state": "receipts are kept there, by which an uninstall knows what was before",
    "bin": "a link to runsc is made there, for people",
}


def check(
    machine: Machine, daemon: Daemon, footprint: Footprint, settings: Settings, release: Release | None = None
) -> tuple[Problem, ...]:
    """Find all the reasons not to begin, before anything is touched; without a release, all but its own."""
    version = release.version if release else settings.release.version
    return (
        *_of_machine(machine, settings),
        *(_room(machine, footprint, settings, release) if release else ()),
        *any_daemon.unit(daemon),
        *gvisor_daemon.compatible(daemon, version),
        *any_daemon.works(daemon),
        *_of_configuration(machine, daemon, footprint, settings),
        *_others_files(footprint, settings),
    )


def check_facts(facts: Facts, settings: Settings) -> tuple[Problem, ...]:
    """Do the same where perhaps no containerd runs, or none can be meant."""
    if facts.daemon is not None:
        return check(facts.machine, facts.daemon, facts.footprint, settings)
    return (
        *_of_machine(facts.machine, settings),
        *any_daemon.runs(facts),
        *_others_files(facts.footprint, settings),
    )


def _of_machine(machine: Machine, settings: Settings) -> Iterator[Problem]:
    yield from any_machine.root(machine)
    yield from gvisor_machine.kernel(machine)
    yield from any_machine.systemd(machine)
    yield from gvisor_machine.platform(machine, settings)
    yield from places.usable(machine, settings, USES)


def _room(machine: Machine, footprint: Footprint, settings: Settings, release: Release) -> Iterator[Problem]:
    if f"{layout(settings).releases}/{release.name}" not in footprint.releases:
        yield from places.room(machine, tree_bytes(release))


def _of_configuration(
    machine: Machine, daemon: Daemon, footprint: Footprint, settings: Settings
) -> Iterator[Problem]:
    runtime = layout(settings).runtime
    yield from configuration.source(machine, daemon)
    yield from configuration.link(daemon)
    yield from gvisor_daemon.selinux(daemon)
    yield from configuration.default_runtime(daemon)
    yield from configuration.handler(daemon, runtime, former_runtimes(footprint, settings))
    yield from configuration.style(daemon, settings, runtime)


def _others_files(footprint: Footprint, settings: Settings) -> Iterator[Problem]:
    """See that no file of somebody else lies where ours would."""
    path = f"{settings.paths.bin}/runsc"
    target = footprint.links.get(path, "") if settings.paths.bin else ""
    if target and not target.startswith(tuple(f"{prefix}/" for prefix in footprint.prefixes)):
        what = "is a file" if target == "(no link)" else f"leads to {target}"
        yield Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" if people should keep that one',
            "people would run one release, and pods another",
        )
