"""What is wanted on a node that runs gVisor."""

from __future__ import annotations

from nodeprov.inventory import Settings
from nodeprov.node import runtime_table
from nodeprov.node.daemon import Daemon
from nodeprov.node.footprint import Footprint
from nodeprov.node.receipts.history import History
from nodeprov.plan.goal import Goal, constant
from nodeprov.plan.resources.link import Link
from nodeprov.plan.resources.tree import Tree
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import generation
from nodeprov.runtimes.gvisor.layout import former_layouts, former_runtimes, layout
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
        *runtime_table.config_goals(daemon, settings, where.runtime, former_runtimes(footprint, settings)),
    )


def removal_goals(daemon: Daemon, footprint: Footprint, settings: Settings, history: History) -> tuple[Goal, ...]:
    """Want what was before: of the configuration first, so that nothing is named that is not there."""
    where, before = layout(settings), history.before_us
    ours = [
        path for path, target in footprint.links.items() if target and _is_ours(path, target, footprint, settings)
    ]
    links = [Link(path, within=where.around if path == where.current else "") for path in reversed(ours)]
    return (
        *runtime_table.removal_goals(daemon, where.runtime, former_runtimes(footprint, settings), history),
        *(Goal(link, constant(before.get(link.key))) for link in links),
    )


def _is_ours(path: str, target: str, footprint: Footprint, settings: Settings) -> bool:
    if path in [each.current for each in former_layouts(footprint, settings)]:
        return False  # goes with what lies beside it
    ours = tuple(f"{prefix}/" for prefix in footprint.prefixes)
    return path == layout(settings).current or target.startswith(ours)


def person_goals(settings: Settings) -> tuple[Goal, ...]:
    """Want runsc on people's PATH."""
    if not settings.paths.bin:
        return ()
    target = LinkState(f"{layout(settings).current}/runsc")
    return (Goal(Link(f"{settings.paths.bin}/runsc"), constant(target), "for people; no pod depends on it"),)
