"""What nothing on a node needs any more: links, generations and releases that are wanted away."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from nodeprov.node.state import Footprint, NodeState
from nodeprov.plan.files import Folder, Link
from nodeprov.plan.goal import Goal, constant
from nodeprov.releases.obtain import Release
from nodeprov.states import LinkState, PresentState, State


def after_install(state: NodeState, *, wanted: str, release: Release) -> tuple[Goal, ...]:
    """Want away what no handler names any more and nothing uses.

    The generation before this one is kept; `wanted` is the folder of the generation that there is to be.
    """
    where, footprint = state.layout, state.footprint
    before = state.history.replaced(Link(where.current).key)
    targets = {
        footprint.links.get(where.current, ""),
        before.target if isinstance(before, LinkState) else "",
    }
    # The one in force, and the one that it replaces; where it stays in force, the one that it has replaced.
    current = f"{where.handler_folder}/{footprint.links.get(where.current, '')}"
    kept = (
        {wanted, *(f"{where.handler_folder}/{target}" for target in targets)}
        if wanted == current
        else {wanted, current}
    )
    old = [folder for folder in _generations(state) if folder not in kept]
    unused = [folder for folder in old if not footprint.uses(footprint.generations[folder])]
    found = _folders(footprint, unused, spare=f"{where.releases}/{release.name}")
    free = [goal for goal in found if not footprint.uses(goal.resource.path)]
    return (*_former_links(state), *free)


def after_uninstall(state: NodeState) -> tuple[Goal, ...]:
    """Want away all that lies below our prefixes for this handler alone, also what no receipt tells of."""
    return (*_former_links(state), *_folders(state.footprint, _generations(state)))


def states(footprint: Footprint, goals: Iterable[Goal]) -> dict[str, State | None]:
    """Read the states of such goals out of facts that are there already."""
    return {
        goal.resource.key: LinkState(footprint.links[goal.resource.path])
        if isinstance(goal.resource, Link)
        else PresentState()
        for goal in goals
    }


def _former_links(state: NodeState) -> tuple[Goal, ...]:
    """Want away the link that an earlier prefix's configuration named, now that no configuration does."""
    links = [Link(each.current, collected=True, within=each.parent) for each in state.layout.earlier]
    there = [link for link in links if state.footprint.links.get(link.path)]
    return tuple(Goal(link, constant(None), "an earlier [paths] prefix") for link in there)


def _generations(state: NodeState) -> tuple[str, ...]:
    """List the handler's generations, wherever it has been installed."""
    folders = [each.handler_folder for each in (state.layout, *state.layout.earlier)]
    return tuple(folder for folder in state.footprint.generations if posixpath.dirname(folder) in folders)


def _folders(footprint: Footprint, generations: Sequence[str], spare: str = "") -> tuple[Goal, ...]:
    """Want generations away, and the releases that no other generation names."""
    named = {release for folder, release in footprint.generations.items() if folder not in generations}
    releases = [path for path in footprint.releases if path not in named and path != spare]
    return tuple(
        Goal(Folder(path, within=_parent(path, footprint)), constant(None), "nothing needs it")
        for path in (*generations, *releases)
    )


def _parent(path: str, footprint: Footprint) -> str:
    """Name the folder that was there before us: that of the prefix that a path lies below."""
    prefix = next(each for each in footprint.prefixes if path.startswith(f"{each}/"))
    return posixpath.dirname(prefix)
