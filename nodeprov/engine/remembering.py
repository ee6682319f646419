"""Remembering that there is nothing to do on a node: what that conclusion rests on."""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from nodeprov.containerd.distributions.profiles import kubelets, origin_names
from nodeprov.engine.look import Install, Want
from nodeprov.engine.planner import Planned, wanted
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place, Query, Readers
from nodeprov.inventory import Node
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.node.facts import SYSCTLS
from nodeprov.node.imported_files import ImportsQuery
from nodeprov.node.memory import Memory, Remembered
from nodeprov.node.state import NodeState
from nodeprov.node.switch import MARKER, UNITS
from nodeprov.node.watched import Seen, Watched, WatchedQuery
from nodeprov.plan.files import Tree
from nodeprov.states import TreeState

UNIT_FOLDERS = (UNITS, "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
MACHINE_FILES = ("/etc/os-release", "/etc/machine-id", "/dev/kvm", MARKER)
MACHINE_VALUES = (
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/kernel/hostname",
    "/proc/sys/user/max_user_namespaces",
    "/sys/fs/selinux/enforce",
    *(f"/proc/sys/{name.replace('.', '/')}" for name in SYSCTLS),
)


class Watching:
    """Reads of a node, in the command that reads its states, also what will show whether anything has changed.

    That is asked last: what was read before is older. Where anything changed in between, nothing is remembered.
    Of several handlers it is asked when the imports were read for each of them.
    """

    def __init__(self, readers: Readers, states: Sequence[NodeState], wants: Sequence[Want]) -> None:
        self.name = readers[Place.NODE].name
        self.readers: Readers = {**readers, Place.NODE: self}
        self._reader = readers[Place.NODE]
        self._views = [
            (state, want) for state, want in zip(states, wants, strict=True) if isinstance(want, Install)
        ]
        self._is_known = len(self._views) == len(states)
        self._watched: Watched | None = None
        self._patterns: tuple[str, ...] = ()
        self._seen: Seen | None = None

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """Ask the node; what is watched is known when its imports are asked for."""
        imports = next((each for each in queries if isinstance(each, ImportsQuery)), None)
        if imports is None or self._watched is not None or not self._is_known:
            return self._reader.ask(queries)
        self._patterns = (*self._patterns, *imports.patterns)
        if len(self._views) > 1:
            return self._reader.ask(queries)
        self._watched = watched_for(self._views, imports.patterns)
        if not self._watched.is_small:
            return self._reader.ask(queries)
        *answers, self._seen = self._reader.ask([*queries, WatchedQuery(self._watched)])
        return answers

    def _look(self) -> None:
        """Ask what will show a change for several handlers."""
        self._watched = watched_for(self._views, self._patterns)
        if self._watched.is_small:
            self._seen = self._reader.ask([WatchedQuery(self._watched)])[0]

    def remember(self, node: Node, planned: Planned, reads: ClusterReads, memory: Memory) -> None:
        """Remember that there is nothing to do on a node, with all its handlers, if that can be seen again."""
        memory.forget(node)
        if not all(map(is_settled, planned.views)):
            return
        if len(self._views) > 1:
            self._look()
        watched, seen = self._watched, self._seen
        if watched is None or seen is None:
            return
        if not {*planned.imported} <= {*self._patterns}:  # what imported files import was read later
            return
        try:
            cluster = reads.digest(node)
        except NodeprovError:  # another run tells of it
            return
        identity = planned.state.daemon.identity
        is_same = (identity.pid, identity.start_ticks) in seen.processes
        all_run = {pid for pid, _ in seen.processes} == {*watched.processes}
        if is_same and all_run and seen.latest < min(each.read_at for each in planned.as_read):
            plan = planned.plan
            handlers = tuple((each.handler, each.release) for each in plan.handlers)
            found = Remembered(plan.notes, watched, seen.digest, cluster, plan.releases, handlers)
            memory.keep(node, found)


def is_settled(planned: Planned) -> bool:
    """Tell whether an install has nothing to do, and would have nothing again with the same settings."""
    state, want = planned.state, planned.want
    return (
        isinstance(want, Install)
        and not planned.plan.steps
        and state.history.interrupted is None
        and not state.layout.former
        and (state.footprint.switched is None or bool(state.footprint.switched.outcome))
        and want.release is not None
        and want.release.version == state.settings.release.version  # `latest` may be another by then
    )


def watched_for(views: Sequence[tuple[NodeState, Install]], imported: Sequence[str]) -> Watched:
    """List all that is read on a node, for each of its handlers, and may change while it runs.

    `imported` are paths and globs.
    """
    state = views[0][0]  # they have the machine and its daemon in common
    daemon, machine = state.daemon, state.machine
    real = daemon.config_target or daemon.config_path
    ours = [path for view in views for path in (*_ours(*view), *_containerds(view[0]))]
    trees = [path for view in views for path in _trees(*view)]
    return Watched.of(
        [*ours, *trees, *imported, *_kubelets(state), *MACHINE_FILES],
        values=MACHINE_VALUES,
        processes=[
            daemon.identity.pid,
            *(each.pid for each in daemon.choice.passed_over),
            *(each.pid for each in machine.kubelets),
        ],
        named=["containerd", *kubelets()],
        written=[
            state.layout.prefix,
            state.layout.bin,
            state.settings.paths.state,
            real,
            posixpath.dirname(real),
            UNITS,
        ],
        started=trees,
    )


def _ours(state: NodeState, want: Install) -> Iterator[str]:
    for prefix in state.layout.prefixes:
        yield from (prefix, f"{prefix}/releases", f"{prefix}/releases/*")
        yield from (f"{prefix}/handlers{below}" for below in ("", "/*", "/*/*", "/*/*/*"))
    yield from state.layout.links
    yield from (goal.resource.path for goal in wanted(state, want) if goal.resource.path)
    place = state.settings.paths.state
    yield from (place, f"{place}/*", f"{place}/receipts/*", f"{place}/switch/*", UNITS)


def _trees(state: NodeState, want: Install) -> Iterator[str]:
    """Name the files of the releases, and their folders."""
    for goal in wanted(state, want):
        tree = goal.target(None) if isinstance(goal.resource, Tree) else None
        for entry in tree.entries if isinstance(tree, TreeState) else ():
            path = posixpath.join(goal.resource.path, entry.path)
            yield from (path, posixpath.dirname(path))


def _containerds(state: NodeState) -> Iterator[str]:
    daemon = state.daemon
    folder = posixpath.dirname(daemon.config_path)
    for path in filter(None, (daemon.config_path, daemon.config_target, daemon.edited_path)):
        yield from (path, posixpath.dirname(path))
    yield from (posixpath.join(folder, name) for name in origin_names(state.settings.runtime.handler))
    yield from daemon.drop_ins
    beside = posixpath.dirname(daemon.binary)
    yield from (daemon.binary, f"{beside}/containerd", f"{beside}/ctr", daemon.ctr, daemon.socket)
    for place in UNIT_FOLDERS if daemon.unit else ():
        yield from (f"{place}/{daemon.unit}", f"{place}/{daemon.unit}.d", f"{place}/{daemon.unit}.d/*")


def _kubelets(state: NodeState) -> Iterator[str]:
    for kubelet in state.machine.kubelets:
        yield from kubelet.files
        yield kubelet.socket
