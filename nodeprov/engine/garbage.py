"""What nothing on a node needs any more: links, generations and releases that are wanted away."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from nodeprov.inventory import Settings
from nodeprov.node.facts import Facts
from nodeprov.node.receipts.history import History
from nodeprov.plan.goal import Goal, constant
from nodeprov.plan.resources.folder import Folder
from nodeprov.plan.resources.link import Link
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor import generation, layout
from nodeprov.runtimes.gvisor.layout import former_layouts
from nodeprov.states import LinkState, PresentState, State


def after_install(facts: Facts, settings: Settings, release: Release, history: History) -> tuple[Goal, ...]:
    """Want away what no handler names any more and nothing uses; the generation before this one is kept."""
    where = layout.layout(settings)
    before = history.replaced(Link(where.current).key)
    targets = {facts.links.get(where.current, ""), before.target if isinstance(before, LinkState) else ""}
    wanted = generation.generation(facts, settings, release).folder
    # The one in force, and the one that it replaces; where it stays in force, the one that it has replaced.
    current = f"{where.handler_folder}/{facts.links.get(where.current, '')}"
    kept = (
        {wanted, *(f"{where.handler_folder}/{target}" for target in targets)}
        if wanted == current
        else {wanted, current}
    )
    old = [folder for folder in _generations(facts, settings) if folder not in kept]
    unused = [folder for folder in old if not _used(facts.generations[folder], facts)]
    found = _folders(facts, unused, spare=f"{where.releases}/{release.name}")
    free = [goal for goal in found if not _used(goal.resource.path, facts)]
    return (*_former_links(facts, settings), *free)


def after_uninstall(facts: Facts, settings: Settings) -> tuple[Goal, ...]:
    """Want away all that lies below our prefixes for this handler alone, also what no receipt tells of."""
    return (*_former_links(facts, settings), *_folders(facts, _generations(facts, settings)))


def states(facts: Facts, goals: Iterable[Goal]) -> dict[str, State | None]:
    """Read the states of such goals out of facts that are there already."""
    return {
        goal.resource.key: LinkState(facts.links[goal.resource.path])
        if isinstance(goal.resource, Link)
        else PresentState()
        for goal in goals
    }


def _former_links(facts: Facts, settings: Settings) -> tuple[Goal, ...]:
    """Want away the link that an earlier prefix's configuration named, now that no configuration does."""
    links = [Link(each.current, collected=True, within=each.around) for each in former_layouts(facts, settings)]
    there = [link for link in links if facts.links.get(link.path)]
    return tuple(Goal(link, constant(None), "an earlier [paths] prefix") for link in there)


def _generations(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """List the handler's generations, wherever it has been installed."""
    layouts = (layout.layout(settings), *former_layouts(facts, settings))
    folders = [each.handler_folder for each in layouts]
    return tuple(folder for folder in facts.generations if posixpath.dirname(folder) in folders)


def _folders(facts: Facts, generations: Sequence[str], spare: str = "") -> tuple[Goal, ...]:
    """Want generations away, and the releases that no other generation names."""
    named = {release for folder, release in facts.generations.items() if folder not in generations}
    releases = [path for path in facts.releases if path not in named and path != spare]
    return tuple(
        Goal(Folder(path, within=_around(path, facts)), constant(None), "nothing needs it")
        for path in (*generations, *releases)
    )


def _around(path: str, facts: Facts) -> str:
    """Name the folder that was there before us: that of the prefix that a path lies below."""
    prefix = next(each for each in facts.prefixes if path.startswith(f"{each}/"))
    return posixpath.dirname(prefix)


def _used(folder: str, facts: Facts) -> bool:
    return any(path.startswith(f"{folder}/") for path in (*facts.processes, *facts.bundles))
