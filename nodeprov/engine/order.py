"""From changes to steps: their order, the barrier of a restart, and the proofs between them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from nodeprov.hosts.base import Place
from nodeprov.inventory import Settings
from nodeprov.node import loaded_config
from nodeprov.node.facts import Facts
from nodeprov.node.facts.values import running_daemon
from nodeprov.node.imported_files import Imported
from nodeprov.node.receipts.history import History
from nodeprov.plan.goal import Change
from nodeprov.plan.proof import Handler, Made, Pod, Proof, Sandbox, Serving, Unused
from nodeprov.plan.resources.containerd_config import ContainerdConfig
from nodeprov.plan.resources.folder import Folder
from nodeprov.plan.resources.link import Link
from nodeprov.plan.steps import Drain, Restart, Step, Swap
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor import generation, layout
from nodeprov.runtimes.gvisor.layout import former_layouts
from nodeprov.states import LinkState, PresentState


def install_steps(
    facts: Facts,
    settings: Settings,
    generation: str,
    changes: tuple[Change, ...],
    imported: Mapping[str, Imported],
) -> tuple[Step, ...]:
    """Put an install in order: what nobody sees, its proof, the commit, the restart, its proofs, the cluster."""
    invisible = [c for c in changes if c.resource.collected]
    in_cluster = [c for c in changes if c.resource.place is Place.CLUSTER]
    visible = [c for c in changes if c not in invisible and c not in in_cluster]
    where = layout.layout(settings)
    restart = loaded_config.restart(facts, where.runtime, changes, imported, served=True)
    if not changes and restart is None:
        return ()
    steps: list[Step] = [*invisible]
    if invisible or visible:
        steps.append(Sandbox("a sandbox runs through the new generation", generation))
    swapped = [c for c in visible if c.resource.swapped]
    steps += [c for c in visible if c not in swapped]
    steps += _in_force(swapped, restart, _made(facts, handler=where.handler))
    if visible or restart:
        steps.append(Sandbox("a sandbox runs through `current`", where.current))
    steps += in_cluster
    if settings.cluster.enabled:
        steps.append(Handler())
        if settings.proof.pod:
            steps.append(Pod(f"a pod of RuntimeClass {settings.runtime_class.name} boots gVisor"))
    return tuple(steps)


def _in_force(swapped: Sequence[Change], restart: Restart | None, made: Sequence[Proof]) -> tuple[Step, ...]:
    """Have the node itself make changes and the restart that they need; without one they are plain writes."""
    return (Swap(tuple(swapped), restart, Serving()), *made) if restart else tuple(swapped)


def _made(facts: Facts, *, handler: str) -> tuple[Proof, ...]:
    """See that a distribution has made the configuration of what was edited; no `handler`: without our table."""
    daemon = running_daemon(facts)
    if daemon.source is None:
        return ()
    how = f"{'with' if handler else 'without'} our table"
    return (Made(f"{daemon.distribution.title} has made {daemon.config_path} {how}", handler),)


def collections(facts: Facts, settings: Settings, release: Release, history: History) -> tuple[Change, ...]:
    """Remove what no handler names any more and nothing uses; the generation before this one is kept."""
    where = layout.layout(settings)
    link = Link(where.current)
    before = history.replaced(link.key)
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
    found = removals(facts, unused, spare=f"{where.releases}/{release.name}")
    free = tuple(change for change in found if not _used(change.resource.key.partition(":")[2], facts))
    return (*_former_links(facts, settings), *free)


def _former_links(facts: Facts, settings: Settings) -> tuple[Change, ...]:
    """Remove the link that an earlier prefix's configuration named, now that no configuration does."""
    links = [Link(each.current, collected=True, within=each.around) for each in former_layouts(facts, settings)]
    targets = [facts.links.get(link.path, "") for link in links]
    return tuple(
        Change(link, LinkState(target), None, "an earlier [paths] prefix")
        for link, target in zip(links, targets, strict=True)
        if target
    )


def _generations(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """List the handler's generations, wherever it has been installed."""
    layouts = (layout.layout(settings), *former_layouts(facts, settings))
    folders = [each.handler_folder for each in layouts]
    return tuple(folder for folder in facts.generations if posixpath.dirname(folder) in folders)


def removals(facts: Facts, generations: Sequence[str], spare: str = "") -> tuple[Change, ...]:
    """Remove generations, and the releases that no other generation names."""
    named = {release for folder, release in facts.generations.items() if folder not in generations}
    releases = [path for path in facts.releases if path not in named and path != spare]
    return tuple(
        Change(Folder(path, within=_around(path, facts)), PresentState(), None, "nothing needs it")
        for path in (*generations, *releases)
    )


def _around(path: str, facts: Facts) -> str:
    """Name the folder that was there before us: that of the prefix that a path lies below."""
    prefix = next(each for each in facts.prefixes if path.startswith(f"{each}/"))
    return posixpath.dirname(prefix)


def _used(folder: str, facts: Facts) -> bool:
    return any(path.startswith(f"{folder}/") for path in (*facts.processes, *facts.bundles))


def uninstall_steps(
    facts: Facts,
    settings: Settings,
    changes: tuple[Change, ...],
    pods: tuple[str, ...],
    imported: Mapping[str, Imported],
) -> tuple[Step, ...]:
    """Put an uninstall in order: pods and label first, so that nothing new begins; then what was installed."""
    where = layout.layout(settings)
    in_cluster = [change for change in changes if change.resource.place is Place.CLUSTER]
    config = [change for change in changes if isinstance(change.resource, ContainerdConfig)]
    links = [change for change in changes if isinstance(change.resource, Link)]
    restart = loaded_config.restart(facts, where.runtime, tuple(config), imported, served=False)
    steps: list[Step] = [Drain(pods)] if pods else []
    # Twice: a pod may begin until the label is gone.
    steps += [Unused(), *in_cluster, *([Unused()] if in_cluster else [])]
    steps += _in_force(config, restart, _made(facts, handler=""))
    return (*steps, *links, *unlinked(facts, settings))


def unlinked(facts: Facts, settings: Settings) -> tuple[Change, ...]:
    """Remove all that lies below our prefixes for this handler alone, also what an uninstall did not come to."""
    return (*_former_links(facts, settings), *removals(facts, _generations(facts, settings)))
