"""All that blocks an installation on a node, in the order in which it is reported."""

from collections.abc import Iterable, Iterator

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node import requirements
from nodeprov.node.daemon import Daemon
from nodeprov.node.layout import Layout
from nodeprov.node.state import NOT_ROOT, Facts, Machine, NodeState
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.adoption import adoption_problems
from nodeprov.runtimes.family import Family, Requirements, former_runtimes, tree_bytes
from nodeprov.runtimes.foreign import table_of_others


def check(
    state: NodeState, family: Family, release: Release | None = None, *, adopts: bool = False
) -> tuple[Problem, ...]:
    """Find all the reasons not to begin, before anything is touched; without a release, all but its own.

    What somebody else has installed is none where it is to be adopted, nor, of what stays of it, where it was.
    """
    version = release.version if release else state.settings.release.version
    own = family.requirements(state.machine, state.settings, version, state.daemon)
    is_there = release is None or f"{state.layout.releases}/{release.name}" in state.footprint.releases
    room = () if release is None or is_there else requirements.room(state.machine, tree_bytes(release))
    of_release = (*room, *(family.release_problems(state, release) if release else ()))
    of_daemon = _of_daemon(state.machine, state.daemon, state.settings, state.layout, family, own, adopts=adopts)
    of_link = (
        () if adopts or state.history.has_adopted else requirements.link_is_free(state.footprint, state.layout)
    )
    return _all(state.machine, state.settings, family, own, of_release, of_daemon, of_link)


def check_facts(
    facts: Facts, settings: Settings, layout: Layout, family: Family, *, adopts: bool = False
) -> tuple[Problem, ...]:
    """Find them where perhaps no containerd runs, or none can be meant, which is one of the reasons."""
    of, daemon = facts.machine, facts.daemon
    own = family.requirements(of, settings, settings.release.version, daemon)
    of_daemon = (
        _of_daemon(of, daemon, settings, layout, family, own, adopts=adopts)
        if daemon
        else requirements.containerd_runs(facts)
    )
    of_link = () if adopts else requirements.link_is_free(facts.footprint, layout)
    return _all(of, settings, family, own, (), of_daemon, of_link)


def _all(
    of: Machine,
    settings: Settings,
    family: Family,
    own: Requirements,
    of_release: Iterable[Problem],
    of_daemon: Iterable[Problem],
    of_link: Iterable[Problem],
) -> tuple[Problem, ...]:
    return (
        *_root(of),
        *own.kernel,
        *_systemd(of),
        *own.platform,
        *requirements.places_usable(of, settings, family.uses),
        *of_release,
        *(of_daemon if of.is_root else ()),
        *of_link,
    )


def _of_daemon(
    of: Machine,
    daemon: Daemon,
    settings: Settings,
    layout: Layout,
    family: Family,
    own: Requirements,
    *,
    adopts: bool,
) -> Iterator[Problem]:
    """Find what of containerd and of its configuration blocks our table in it."""
    runtime = family.runtime(layout)
    yield from requirements.containerd_unit(daemon)
    yield from own.containerd
    yield from requirements.containerd_works(daemon)
    yield from requirements.config_is_editable(of, daemon)
    yield from own.configuration
    yield from requirements.runtimes_serve(of, daemon)
    if adopts and (theirs := table_of_others(daemon, runtime)) is not None:
        yield from adoption_problems(daemon, runtime, theirs)
    else:
        yield from requirements.handler_is_free(daemon, runtime, former_runtimes(family, layout), adopts=adopts)
    yield from requirements.config_style_works(daemon, settings)


def _root(machine: Machine) -> Iterator[Problem]:
    """See that commands run as root."""
    if not machine.is_root:
        yield NOT_ROOT


def _systemd(machine: Machine) -> Iterator[Problem]:
    """See that systemd runs, which restarts containerd."""
    if machine.systemd_version is None:
        yield Problem(
            "systemd does not run on this node",
            "this version restarts containerd by systemd only",
            "containerd reads its configuration at its start only",
        )
