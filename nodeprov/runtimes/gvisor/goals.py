"""What is wanted on a node that runs gVisor."""

from __future__ import annotations

from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.footprint import Footprint
from nodeprov.node.runtime_table import config_goals
from nodeprov.plan.goal import Goal, constant
from nodeprov.plan.resources.link import Link
from nodeprov.plan.resources.tree import Tree
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import generation
from nodeprov.runtimes.gvisor.layout import former_runtimes, layout
from nodeprov.states import LinkState


def goals(daemon: Daemon, footprint: Footprint, settings: Settings, release: Release) -> tuple[Goal, ...]:
    """Say what is wanted on a node, in the order in which it is to come true.

    Nothing before `current` is visible to anyone; replacing `current` is the commit.
    """
    where = layout(settings)
    wanted = generation(daemon, settings, release)
    return (
        Goal(
            Tree(f"{where.releases}/{release.name}", source=release.folder, within=where.around),
            constant(release.tree),
        ),
        *wanted.goals(),
        Goal(
            Link(where.current, within=where.around), constant(LinkState(wanted.digest)), "the commit: one rename"
        ),
        *person_goals(settings),
        *config_goals(daemon, settings, where.runtime, former_runtimes(footprint, settings)),
    )


def person_goals(settings: Settings) -> tuple[Goal, ...]:
    """Want runsc on people's PATH."""
    if not settings.paths.bin:
        return ()
    target = LinkState(f"{layout(settings).current}/runsc")
    return (Goal(Link(f"{settings.paths.bin}/runsc"), constant(target), "for people; no pod depends on it"),)
