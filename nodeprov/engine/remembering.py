"""Remembering that there is nothing to do on a node: what that conclusion rests on."""

import posixpath
from collections.abc import Iterator

from nodeprov.containerd.distributions.profiles import kubelets, origin_names
from nodeprov.engine.look import Install
from nodeprov.engine.planner import Planned, wanted
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place, Readers
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.node.facts import SYSCTLS
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


def remember(planned: Planned, readers: Readers, reads: ClusterReads, memory: Memory) -> None:
    """Remember that there is nothing to do, if that is so, and if it can be seen that nothing has changed since.

    What was read before is older than what is seen now: where anything changed in between, nothing is remembered.
    """
    memory.forget(planned.node)
    if not is_settled(planned):
        return
    watched = watched_for(planned)
    if not watched.is_small:
        return
    try:
        seen: Seen = readers[Place.NODE].ask([WatchedQuery(watched)])[0]
        cluster = reads.digest(planned.node)
    except NodeprovError:  # another run tells of it
        return
    identity = planned.state.daemon.identity
    is_same = (identity.pid, identity.start_ticks) in seen.processes
    all_run = {pid for pid, _ in seen.processes} == {*watched.processes}
    if is_same and all_run and seen.latest < planned.state.read_at:
        memory.keep(planned.node, Remembered(planned.plan.notes, watched, seen.digest, cluster))


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


def watched_for(planned: Planned) -> Watched:
    """List all that was read on a node and may change while it runs."""
    state = planned.state
    daemon, machine = state.daemon, state.machine
    real = daemon.config_target or daemon.config_path
    trees = [*_trees(planned)]
    return Watched.of(
        [*_ours(planned), *trees, *_containerds(state), *planned.imported, *_kubelets(state), *MACHINE_FILES],
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


def _ours(planned: Planned) -> Iterator[str]:
    state = planned.state
    for prefix in state.layout.prefixes:
        yield from (prefix, f"{prefix}/releases", f"{prefix}/releases/*")
        yield from (f"{prefix}/handlers{below}" for below in ("", "/*", "/*/*", "/*/*/*"))
    yield from state.layout.links
    yield from (goal.resource.path for goal in wanted(state, planned.want) if goal.resource.path)
    place = state.settings.paths.state
    yield from (place, f"{place}/*", f"{place}/receipts/*", f"{place}/switch/*", UNITS)


def _trees(planned: Planned) -> Iterator[str]:
    """Name the files of the releases, and their folders."""
    for goal in wanted(planned.state, planned.want):
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
