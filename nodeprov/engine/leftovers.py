"""What is on a node and not wanted any more: what nothing needs, and what earlier settings made."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.engine import generations
from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.kubernetes.scheduling import NodeLabel, label_of
from nodeprov.node.receipts import History
from nodeprov.node.state import Footprint, NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import Folder, IdleMount, Link
from nodeprov.plan.goal import Change, Goal, constant
from nodeprov.releases.obtain import Release
from nodeprov.states import LabelState, LinkState, ObjectState, PresentState, State

Written = Mapping[str, State | None]
"""What nodeprov last wrote, by the resource's key."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a gc keeps: a generation with its release, or a release alone; and who needs it."""

    generation: str
    release: str
    why: str

    @property
    def said(self) -> str:
        """Say it for a person."""
        names = [posixpath.basename(self.release)]
        names += [f"generation {posixpath.basename(self.generation)}"] if self.generation else []
        return f"keeps {', '.join(names)}: {self.why}"


def after_install(state: NodeState, *, wanted: str, release: Release) -> tuple[Goal, ...]:
    """Want away what no handler names any more and nothing uses.

    Generations before this one are kept, by the settings; `wanted` is the folder of the one that there is to be.
    """
    kept = {wanted, *_before(state, posixpath.basename(wanted))}
    return _unneeded(state, kept, spare=f"{state.layout.releases}/{release.name}")


def in_gc(state: NodeState) -> tuple[Goal, ...]:
    """Want away what no handler names any more and nothing uses, with what is in force staying so."""
    return _unneeded(state, {*_wanted_in_gc(state)})


def mount_goals(state: NodeState, leaves_mounted: str) -> tuple[Goal, ...]:
    """Want away what the runtime has left mounted: each is asked whether anything still needs it."""
    if not leaves_mounted or state.footprint.in_use:
        return ()
    paths = [each.path for each in state.machine.mounts if re.fullmatch(leaves_mounted, each.path)]
    found = [IdleMount(path) for path in dict.fromkeys(paths)]
    return tuple(Goal(each, constant(None), "left mounted, and no sandbox runs") for each in found)


def kept_in_gc(state: NodeState) -> tuple[Kept, ...]:
    """Name what of the handler's a gc keeps, and for whom."""
    footprint, wanted = state.footprint, _wanted_in_gc(state)
    away = {goal.resource.path for goal in in_gc(state)}
    found = []
    for folder in _generations(state):
        release = footprint.generations[folder]
        if folder not in away:
            using = [path for path in footprint.in_use if path.startswith((f"{folder}/", f"{release}/"))]
            found.append(Kept(folder, release, wanted.get(folder) or footprint.by_whom(using)))
    named = {each.release for each in found}
    for release in footprint.releases:
        if release not in away and release not in named:
            using = [path for path in footprint.in_use if path.startswith(f"{release}/")]
            others = [folder for folder, theirs in footprint.generations.items() if theirs == release]
            handlers = dict.fromkeys(posixpath.basename(posixpath.dirname(folder)) for folder in others)
            whose = f"the handler {' and '.join(handlers)}" if handlers else footprint.by_whom(using)
            found.append(Kept("", release, whose))
    return tuple(found)


def _wanted_in_gc(state: NodeState) -> dict[str, str]:
    """Name the folders of generations that a gc keeps whether or not anything uses them, and why."""
    where, current = state.layout, generations.in_force(state)
    by = dict.fromkeys(_before(state, current), "it was in force before")
    staged = {
        f"{where.handler_folder}/{name}": f"staged by {each.by} at {each.began}"
        for name, each in generations.staged(state).items()
    }
    return {**by, **staged, **({f"{where.handler_folder}/{current}": "it is in force"} if current else {})}


def _before(state: NodeState, wanted: str) -> tuple[str, ...]:
    """Name the folders of the generations that are kept for a rollback from the wanted one, the latest first."""
    order = [generations.in_force(state), *generations.former(state)]
    there = {each.digest: each.folder for each in generations.of_handler(state)}
    found = [there[name] for name in order if name != wanted and name in there]
    return tuple(found[: state.settings.release.keep])


def _unneeded(state: NodeState, kept: Collection[str], spare: str = "") -> tuple[Goal, ...]:
    footprint = state.footprint
    old = [folder for folder in _generations(state) if folder not in kept]
    staying = {spare, *(footprint.generations[folder] for folder in kept if folder in footprint.generations)}
    unused = [folder for folder in old if not _is_needed(footprint, folder, staying)]
    found = _folders(footprint, unused, spare=spare)
    free = [goal for goal in found if not footprint.uses(goal.resource.path)]
    return (*_former_links(state), *free)


def _is_needed(footprint: Footprint, generation: str, staying: Collection[str]) -> bool:
    """Tell whether a container names a generation, or its release, unless that is one that stays anyway.

    What a container has begun with is in the release: of the generation it needs nothing that it does not name.
    """
    release = footprint.generations[generation]
    return footprint.uses(generation) or (release not in staying and footprint.uses(release))


def after_uninstall(state: NodeState) -> tuple[Goal, ...]:
    """Want away all that lies below our prefixes for this handler alone, also what no receipt names."""
    return (*_former_links(state), *_folders(state.footprint, _generations(state)))


def known_states(footprint: Footprint, goals: Iterable[Goal]) -> dict[str, State | None]:
    """Read the states of such goals out of facts that were read already."""
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


def prefixes(written: Written, settings: Settings) -> tuple[str, ...]:
    """Name the prefixes, other than the settings' own, below which the handler was installed."""
    inside = re.compile(rf"(?:file|link):(.+)/handlers/{re.escape(settings.runtime.handler)}/.+")
    found = [match[1] for key, state in written.items() if state is not None and (match := inside.fullmatch(key))]
    return tuple(dict.fromkeys(prefix for prefix in found if prefix != settings.paths.prefix))


def link_goals(state: NodeState) -> tuple[Goal, ...]:
    """Want back what was there before the links for people that were made elsewhere than the settings say."""
    program = state.layout.program
    people = re.compile(rf"link:(.+)/{re.escape(program)}")
    made = state.history.written
    found = [match[1] for key, target in made.items() if target is not None and (match := people.fullmatch(key))]
    elsewhere = [folder for folder in found if folder != state.settings.paths.bin and "/handlers/" not in folder]
    return _goals([Link(f"{folder}/{program}") for folder in elsewhere], state.history)


def label_goals(state: NodeState) -> tuple[Goal, ...]:
    """Want back what was there before the labels that were set by another key than the settings say."""
    settings, node = state.settings, state.node.name
    keys = [key for key in _written(f"label:{node}:", state.history) if key != settings.label.key]
    return _goals([label_of(settings, node, key) for key in keys], state.history)


def label_problems(state: NodeState) -> Iterator[Problem]:
    """See that no other handler on the node has given the label another value."""
    label, wanted = label_of(state.settings, state.node.name), LabelState(state.settings.label.value)
    for neighbour in state.history.neighbours if state.cluster is not None else ():
        held = neighbour.held.get(label.key)
        if isinstance(held, LabelState) and held != wanted:
            yield Problem(
                f"the label {label.label} is {held.value!r} here for the handler {neighbour.handler}, "
                f"and is to be {wanted.value!r} for {state.layout.handler}",
                "set [label] key to another one for this handler, or [label] value to the same",
                f"a node has one value of a label: the pods of {neighbour.handler} would find no node any more",
            )


def runtime_classes(state: NodeState) -> tuple[str, ...]:
    """Name the RuntimeClasses of another name than the settings say; other nodes and pods may still use them."""
    return tuple(
        name for name in _written("runtimeclass:", state.history) if name != state.settings.runtime_class.name
    )


def _written(kind: str, history: History) -> list[str]:
    """Name the resources of a kind that nodeprov has made, and has not taken away since."""
    return [key.removeprefix(kind) for key, state in history.written.items() if key.startswith(kind) and state]


def _goals(some: Sequence[Link | NodeLabel], history: History) -> tuple[Goal, ...]:
    """Want back what was there before; what somebody else has changed since, or another handler has, stays."""
    return tuple(
        Goal(each, _back(history.written[each.key], history.given_back(each.key)), "earlier settings had it")
        for each in some
    )


def _back(written: State | None, given_back: Callable[[Any], State | None]) -> Callable[[Any], State | None]:
    return lambda current: given_back(current) if current == written else current


def unknown(
    goals: Sequence[Goal],
    states: Mapping[str, State | None],
    written: Written,
    without: Callable[[Any], State | None],
) -> tuple[Change, ...]:
    """Find what is as wanted though no receipt names it, as the changes that would have made it so.

    The disk was cloned, or the receipts were lost. `without` returns the configuration as it was before.
    """
    found = []
    for goal in goals:
        state = states[goal.resource.key]
        if goal.resource.key in written or goal.target(state) != state:
            continue
        if isinstance(state, ObjectState) and not state.value["labels"]:
            continue  # a RuntimeClass of somebody else
        before = without(state) if isinstance(goal.resource, ContainerdConfig) else None
        if before != state:  # what is wanted absent, and is, nobody made
            found.append(Change(goal.resource, before, state))
    return tuple(found)
