"""What is wanted on a node that has a runtime of any family, and on one that has it no more."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.containerd import Runtime
from nodeprov.node import runtime_table
from nodeprov.node.layout import Layout
from nodeprov.node.state import NodeState
from nodeprov.plan.files import Link, Tree
from nodeprov.plan.goal import Goal, constant
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import Family
from nodeprov.states import LinkState


def goals(state: NodeState, family: Family, release: Release | None) -> Iterator[Goal]:
    """Say what is wanted on a node, in the order in which it is to come true; without a release, what was before.

    Nothing before `current` is visible to anyone; replacing `current` is the commit. What was before comes to the
    configuration first, so that nothing is named that is not there.
    """
    if release is None:
        runtime, former = family.runtime(state.layout), former_runtimes(family, state.layout)
        yield from runtime_table.removal_goals(state.daemon, runtime, former, state.history)
        yield from _links_of_before(state)
        return
    where, generation = state.layout, family.generation(state, release)
    tree = Tree(f"{where.releases}/{release.name}", source=release.folder, within=where.parent)
    yield Goal(tree, constant(release.tree))
    yield from generation.goals()
    current = Link(where.current, within=where.parent)
    yield Goal(current, constant(LinkState(generation.digest)), "the commit: one rename")
    yield from goals_for_people(where)
    runtime, former = family.runtime(where), former_runtimes(family, where)
    yield from runtime_table.config_goals(state.daemon, state.settings, runtime, former)


def _links_of_before(state: NodeState) -> Iterator[Goal]:
    where, before = state.layout, state.history.before_us
    ours = [path for path, target in state.footprint.links.items() if target and _is_ours(path, target, where)]
    for path in reversed(ours):
        link = Link(path, within=where.parent if path == where.current else "")
        yield Goal(link, constant(before.get(link.key)))


def _is_ours(path: str, target: str, layout: Layout) -> bool:
    if path in [each.current for each in layout.earlier]:
        return False  # goes with what lies beside it
    return path == layout.current or target.startswith(tuple(f"{prefix}/" for prefix in layout.prefixes))


def goals_for_people(layout: Layout) -> Iterator[Goal]:
    """Want the program on people's PATH."""
    if layout.link_for_people:
        target = LinkState(f"{layout.current}/{layout.program}")
        yield Goal(Link(layout.link_for_people), constant(target), "for people; no pod depends on it")


def former_runtimes(family: Family, layout: Layout) -> tuple[Runtime, ...]:
    """Say which tables nodeprov may have written before the prefix was changed."""
    return tuple(family.runtime(each) for each in layout.earlier)


def tree_bytes(release: Release) -> int:
    """Say how many bytes a release takes."""
    return sum((release.folder / entry.path).stat().st_size for entry in release.tree.entries)
