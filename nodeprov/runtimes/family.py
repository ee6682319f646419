"""What a family of runtimes brings, each a folder beside this file, and what is wanted on a node that has one."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from nodeprov.containerd import Runtime
from nodeprov.errors import Problem
from nodeprov.hosts.base import Host, Query
from nodeprov.inventory import Settings
from nodeprov.node import runtime_table
from nodeprov.node.daemon import Daemon
from nodeprov.node.layout import Layout
from nodeprov.node.state import Machine, NodeState
from nodeprov.plan.files import File, Link, Tree
from nodeprov.plan.goal import Goal, constant
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import Software
from nodeprov.states import FileState, LinkState
from nodeprov.workloads.unsupported import PodNotes

DIGEST_CHARACTERS = 12
SANDBOX_TIMEOUT_SECONDS = 60
"""What a sandbox gets that proves a generation."""
CLEANUP_SECONDS = 10
"""What each call of ctr gets that takes a sandbox away again."""


@dataclass(frozen=True, slots=True)
class Generation:
    """An immutable folder that ties programs of one release and files of our own together.

    Its `programs` are links into the release's folder; what a file in it names is a path in that folder, too, and
    never a link: what a container has begun with it keeps for its whole life.
    """

    layout: Layout
    release: str
    files: Mapping[str, FileState]
    programs: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The name of its folder."""
        content = b"\0".join([self.release.encode(), *(file.content for file in self.files.values())])
        return hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]

    @property
    def folder(self) -> str:
        """Its folder."""
        return f"{self.layout.handler_folder}/{self.digest}"

    def goals(self) -> Iterator[Goal]:
        """Want its members."""
        within = self.layout.parent
        for name, state in self.files.items():
            yield Goal(File(f"{self.folder}/{name}", collected=True, within=within), constant(state))
        for name in self.programs:
            target = constant(LinkState(f"{self.layout.releases}/{self.release}/{name}"))
            yield Goal(Link(f"{self.folder}/{name}", collected=True, within=within), target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What blocks one family alone, by where it belongs among what blocks any."""

    kernel: Iterable[Problem] = ()
    platform: Iterable[Problem] = ()
    containerd: Iterable[Problem] = ()
    configuration: Iterable[Problem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What verify, doctor and support must know of a family.

    Args:
        config: the file of a generation that sets how sandboxes run; doctor reads it and support copies it.
        kernel: whose the kernel of a pod is.
        has_process: whether a pod's sandbox is a process of the family's own, below the prefix.
        says_version: what the program's --version says that is of a release's version.
        check_names: other names than the usual ones for checks of verify.
        hints: what to type where a check of verify fails, by the check's usual name.
        machine_warnings: what of a machine troubles the sandboxes that come after the proof; the plan says it too.
        machine_advice: what else is worth knowing of a machine before an install.
        config_flags: the flags that the text of `config` sets.
        config_advice: what is wrong with the text of `config` on a machine with a containerd, on a node of a name.
    """

    config: str
    kernel: str
    has_process: bool
    says_version: Callable[[str], str]
    check_names: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    machine_warnings: Callable[[Machine], Iterable[Problem]] = lambda _machine: ()
    machine_advice: Callable[[Machine, Settings], Iterable[Problem]] = lambda _machine, _settings: ()
    config_flags: Callable[[str], Mapping[str, str]] = lambda _text: {}
    config_advice: Callable[[str, Machine, Daemon, str], Iterable[Problem]] = (
        lambda _text, _machine, _daemon, _node: ()
    )


@dataclass(frozen=True, slots=True)
class Traits:
    """What a release says of itself, and what is known of it.

    Args:
        spec: the version of the OCI runtime specification; "" if it cannot be asked on this machine.
        flags: the names of the flags that its program takes; None if it cannot be asked.
        limits: with what it does not work, and why.
    """

    spec: str
    flags: frozenset[str] | None
    limits: tuple[str, ...]


class Family(Protocol):
    """A family of runtimes. Paths are on the node; a Machine and a Daemon are what was read of it."""

    name: str
    """What people call it."""
    program: str
    """What people call by the link in [paths] bin; each generation has it."""
    shim: str
    """The program of which each sandbox has one process."""
    names_release: str
    """How a program's bytes name its release, as an extended regular expression: the release is behind a `-`."""
    software: Software
    """What its project releases, and where."""
    uses: Mapping[str, str]
    """What each of [paths] is there for."""
    pod_proof: str
    """How a message reports that a pod runs: the end of `a pod of RuntimeClass NAME ...`."""
    kernel_example: bytes
    """What a pod prints of its kernel where all goes well."""
    inspection: Inspection
    leaves_mounted: str
    """A regular expression for paths that it leaves mounted when no sandbox of it runs any more; "" for none."""

    def runtime(self, layout: Layout) -> Runtime:
        """Return what containerd's configuration gets: a table that names all through `layout.for_containerd`."""
        ...

    def generation(self, state: NodeState, release: Release) -> Generation:
        """Return which generation the settings of a node want under its containerd."""
        ...

    def requirements(
        self, machine: Machine, settings: Settings, version: str, daemon: Daemon | None
    ) -> Requirements:
        """Find what blocks a release of it on a node."""
        ...

    def release_problems(self, state: NodeState, release: Release) -> Iterable[Problem]:
        """Find what a release that is on this machine refuses of what a node's settings tell it."""
        ...

    def traits(self, release: Release) -> Traits:
        """Ask the program of a release that is on this machine what it is."""
        ...

    def run_sandbox(self, host: Host, state: NodeState, generation: str) -> str:
        """Run a sandbox through a generation's folder, without kubelet; return the line of the kernel it saw.

        Raises NodeprovError if none runs, or it is no sandbox of this family.
        """
        ...

    def unsupported_calls(self) -> Query[list[PodNotes]]:
        """Return what asks a node which calls of programs the sandboxes of its pods did not know."""
        ...

    def pod_changes(self, old: str, new: str, flags: Mapping[str, str], cgroup_version: int) -> Iterable[str]:
        """Say what pods meet otherwise with the version `new` than with `old`, where that is known.

        It may depend on the flags of the runtime and on the version of the node's cgroups.
        """
        ...

    def call_changes(self, old: Release, new: Release) -> Iterable[str]:
        """Say which system calls of pods are known with `new` and not with `old`, or the other way round.

        Both are on this machine; nothing where one of them cannot be asked here.
        """
        ...

    def kernel_line(self, said: str) -> str:
        """Find the line by which a sandbox's kernel is known, in its log or version; "" if there is none."""
        ...


def goals(state: NodeState, family: Family, release: Release | None, *, adopts: bool = False) -> Iterator[Goal]:
    """List what is wanted on a node, in the order in which it is to come true; without a release, what was before.

    Where it `adopts`, the table takes the place of one that somebody else wrote.

    Nothing before `current` is visible to anyone; replacing `current` is the commit. What was before comes to the
    configuration first, so that nothing is named that is not there.
    """
    if release is None:
        runtime, former = family.runtime(state.layout), former_runtimes(family, state.layout)
        if not state.node.canary_of:  # its table stays: another one needs no restart then
            canary = canary_runtimes(state, family)
            yield from runtime_table.removal_goals(state.daemon, runtime, former, state.history, canary)
        yield from _links_of_before(state)
        return
    where, generation = state.layout, family.generation(state, release)
    tree = Tree(f"{where.releases}/{release.name}", source=release.folder, within=where.parent)
    yield Goal(tree, constant(release.tree))
    yield from generation.goals()
    current = Link(where.current, within=where.parent)
    yield Goal(current, constant(LinkState(generation.digest)), "the commit: one rename")
    yield from goals_for_people(state)
    runtime, former = family.runtime(where), former_runtimes(family, where)
    yield from runtime_table.config_goals(state.daemon, state.settings, runtime, former, adopts=adopts)


def canary_runtimes(state: NodeState, family: Family) -> tuple[Runtime, ...]:
    """Return which tables of a canary go with ours: none while one is installed, and none with a canary."""
    layout = state.layout.of_canary()
    if state.node.canary_of or layout.handler in [each.handler for each in state.history.neighbours]:
        return ()
    return (family.runtime(layout), *former_runtimes(family, layout))


def _links_of_before(state: NodeState) -> Iterator[Goal]:
    ours = [path for path, target in state.footprint.links.items() if target and _is_ours(path, target, state)]
    for path in reversed(ours):
        link = Link(path, within=state.layout.parent if path == state.layout.current else "")
        yield Goal(link, constant(_link_of_neighbour(link, state) or state.history.everyones.before.get(link.key)))


def _is_ours(path: str, target: str, state: NodeState) -> bool:
    layout = state.layout
    if path in [each.current for each in layout.earlier]:
        return False  # goes with what lies beside it
    is_below = target.startswith(tuple(f"{prefix}/" for prefix in layout.prefixes))
    return path == layout.current or (is_below and not state.is_neighbours(target))


def _link_of_neighbour(link: Link, state: NodeState) -> LinkState | None:
    """Say where a link for people leads that another handler on the node wants too, and gets now."""
    for neighbour in state.history.neighbours:
        ends = f"/handlers/{neighbour.handler}/current"
        current = next((key for key, to in neighbour.held.items() if to and key.endswith(ends)), None)
        if current and neighbour.held.get(link.key):
            return LinkState(f"{current.removeprefix('link:')}/{state.layout.program}")
    return None


def goals_for_people(state: NodeState) -> Iterator[Goal]:
    """Want the program on people's PATH; where another handler's is there, or an adopted one's, that one stays."""
    layout = state.layout
    ours = LinkState(f"{layout.current}/{layout.program}")

    def target(current: LinkState | None) -> LinkState:
        return current if current is not None and state.is_neighbours(current.target) else ours

    if layout.link_for_people and not state.footprint.is_others(layout.link_for_people):
        yield Goal(Link(layout.link_for_people), target, "so that you can type it; no pod depends on it")


def former_runtimes(family: Family, layout: Layout) -> tuple[Runtime, ...]:
    """Return which tables nodeprov may have written before the prefix, or what pods may say, was changed."""
    written = [family.runtime(each) for each in layout.earlier]
    turned = [replace(each, mount_hints=not layout.mount_hints) for each in (layout, *layout.earlier)]
    return (*written, *map(family.runtime, turned))


def tree_bytes(release: Release) -> int:
    """Return how many bytes a release takes."""
    return sum((release.folder / entry.path).stat().st_size for entry in release.tree.entries)
