"""A node as it is, for all that decides about it: its machine, what is ours on it, and its cluster."""

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from nodeprov.errors import NodeprovError, Problem
from nodeprov.inventory import Node, Settings
from nodeprov.node.daemon import Daemon, Record
from nodeprov.node.daemon_choice import Kubelet
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import History
from nodeprov.node.switch import Switched
from nodeprov.states import State


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mounts."""

    path: str
    options: frozenset[str]
    type: str = ""


IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True)
class Machine:
    """What is true of a machine whether or not nodeprov was ever there; None is what it does not tell."""

    uid: int
    """Of the user that the commands run as."""
    architecture: str
    kernel: str
    hostname: str
    os: str
    machine_id: str
    boot_id: str
    page_size: int | None
    user_namespaces: int | None
    cgroup_version: int
    selinux_enforcing: bool | None
    systemd_version: int | None
    free_bytes: int
    free_at: str
    mounts: tuple[Mount, ...]
    kubelets: tuple[Kubelet, ...] = ()
    sysctls: Mapping[str, int] = field(default_factory=dict)
    """The kernel's settings, by their names for sysctl; those that this kernel does not have are missing."""
    has_seccomp: bool | None = None
    has_swap: bool = False
    address_bits: int | None = None
    has_kvm: bool | None = None
    real_paths: Mapping[str, str] = field(default_factory=dict)
    """Where the folders of the settings really lie: /opt is a link on some systems."""
    loose: Mapping[str, str] = field(default_factory=dict)
    """Folders on the way to our places that are not root's alone, and whose they are."""
    locked: Mapping[str, str] = field(default_factory=dict)
    """Folders of our places in which even root can make nothing, and why."""

    @property
    def cgroup_driver(self) -> str | None:
        """How the kubelet that runs drives cgroups, systemd or cgroupfs; None where that does not show."""
        used = {each.uses_driver for each in self.kubelets}
        return used.pop() if len(used) == 1 else None

    @property
    def is_root(self) -> bool:
        """Tell whether the commands run as root."""
        return self.uid == 0

    def mount_of(self, path: str) -> Mount | None:
        """Find the mount that a path lies on."""
        path = self.real_paths.get(path, path)
        on = [m for m in self.mounts if path == m.path or path.startswith(m.path.rstrip("/") + "/")]
        # Of mounts on one another the last one counts, and max takes the first.
        return max(reversed(on), key=lambda mount: len(mount.path), default=None)

    def is_read_only(self, path: str) -> bool:
        """Tell whether a path lies on a mount that cannot be written."""
        mount = self.mount_of(path)
        return mount is not None and "ro" in mount.options

    def forgets(self, path: str) -> Mount | None:
        """Find the mount that a path lies on if it is, or writes to, a file system in memory."""
        mount = self.mount_of(path)
        upper = (
            next((each.partition("=")[2] for each in mount.options if each.startswith("upperdir=")), "")
            if mount
            else ""
        )
        below = self.mount_of(upper) if upper else None
        found = below if below and below != mount else mount
        return mount if found and found.type in IN_MEMORY else None


MOST_NAMED = 3
ID_CHARACTERS = 13
"""As many as crictl shows of a container's id."""


@dataclass(frozen=True, slots=True)
class User:
    """Who needs a path of ours; "" is what is not known: a proof has no pod, a stopped container no process."""

    path: str
    pod: str = ""
    """namespace/name."""
    container: str = ""
    pid: str = ""

    @property
    def said(self) -> str:
        """Name it for a person."""
        container = self.container and f"container {self.container[:ID_CHARACTERS]}"
        known = [f"pod {self.pod}" if self.pod else "", container, self.pid and f"PID {self.pid}"]
        first, *rest = [each for each in known if each] or [self.path]
        return f"{first} ({', '.join(rest)})" if rest else first


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """The sandboxes that run one release, by the name of its folder, and the pods of some of them."""

    release: str
    count: int
    pods: tuple[str, ...]

    @property
    def said(self) -> str:
        """Count them for a person, and name their pods, or some."""
        number = f"{self.count} sandbox{'' if self.count == 1 else 'es'}"
        named = ", ".join(self.pods[:MOST_NAMED])
        more = f" and {len(self.pods) - MOST_NAMED} more" if len(self.pods) > MOST_NAMED else ""
        return f"{number}{f' ({named}{more})' if named else ''}"


@dataclass(frozen=True, slots=True)
class Footprint:
    """What is ours on a node."""

    prefixes: tuple[str, ...]
    """Where nodeprov's things may lie: as the settings say, then as earlier ones said."""
    links: Mapping[str, str]
    """What each link of ours leads to; "" where there is none."""
    releases: tuple[str, ...]
    """The releases' folders."""
    generations: Mapping[str, str]
    """Each generation's folder, and the release folder that it names."""
    processes: Mapping[str, int]
    """How many processes run each program below a prefix."""
    bundles: tuple[str, ...]
    """Paths below a prefix that a container's bundle names, also a stopped one's."""
    record: Record | None
    switched: Switched | None = None
    pods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The pods, as namespace/name, of the containers whose bundles name paths of ours, and which ones."""
    users: tuple[User, ...] = ()
    """Some of those who need our files, by name."""

    def by_whom(self, paths: Collection[str]) -> str:
        """Name who needs some paths, each pod once; one of the paths where nobody is known by name."""
        named: dict[str, User] = {}
        for user in sorted(self.users, key=lambda each: not each.pid):
            if user.path in paths:
                named.setdefault(user.pod or user.container or user.pid, user)
        said = [each.said for each in named.values()] or [f"processes or containers that name {next(iter(paths))}"]
        more = ["others"] if len(said) > MOST_NAMED else []  # of which only some were read
        return " and ".join(filter(None, [", ".join(said[:MOST_NAMED]), *more]))

    @property
    def in_use(self) -> tuple[str, ...]:
        """The paths of ours that something needs: processes, and bundles of stopped containers."""
        return (*self.processes, *self.bundles)

    def needed(self, *layouts: Layout) -> tuple[str, ...]:
        """Name the paths that something needs and that go with one handler, or with several.

        A release that another handler has too stays there for that one. Whose a sandbox is, its bundle tells:
        `shim-binary-path` names the shim by the handler's folder, while the kernel names programs by the release.
        """
        ours = [folder for layout in layouts for folder in layout.handler_folders]
        others = [folder for folder in self.generations if not _is_below(folder, ours)]
        stays = [*others, *(self.generations[folder] for folder in others), *self.handler_folders(*layouts)]
        return tuple(path for path in self.in_use if not _is_below(path, stays))

    def pods_needing(self, layout: Layout) -> frozenset[str]:
        """Name the pods on the node that run with one handler, whatever the cluster says of them."""
        needed = self.needed(layout)
        return frozenset(pod for pod, paths in self.pods.items() if any(path in needed for path in paths))

    def handler_folders(self, *layouts: Layout) -> tuple[str, ...]:
        """Name the folders of the other handlers, in each of which are its generations."""
        ours = [folder for layout in layouts for folder in layout.handler_folders]
        folders = dict.fromkeys(posixpath.dirname(folder) for folder in self.generations)
        return tuple(folder for folder in folders if folder not in ours)

    def sandboxes(self, program: str, releases: str) -> tuple[Sandboxes, ...]:
        """Count the sandboxes by the release that each runs, also a deleted one.

        They are counted by their pods, which the bundles name, and where no pod is known by the processes of a
        program: there is one for each container, the pause container among them.
        """
        processes: dict[str, int] = {}
        pods: dict[str, set[str]] = {}
        for path, count in self.processes.items():
            name, _, rest = path.removeprefix(f"{releases}/").partition("/")
            if path.startswith(f"{releases}/") and rest.removesuffix(" (deleted)").endswith(program):
                processes[name] = processes.get(name, 0) + count
        named = [(pod, path) for pod, paths in self.pods.items() for path in paths]
        for pod, path in (*named, *((each.pod, each.path) for each in self.users if each.pod)):
            if path.startswith(f"{releases}/"):
                pods.setdefault(path.removeprefix(f"{releases}/").partition("/")[0], set()).add(pod)
        return tuple(
            Sandboxes(name, len(pods.get(name, ())) or count, tuple(sorted(pods.get(name, ()))))
            for name, count in sorted(processes.items())
        )

    def is_others(self, link: str) -> bool:
        """Tell whether something that is not ours lies where a link of ours would."""
        target = self.links.get(link, "")
        return bool(target) and not target.startswith(tuple(f"{prefix}/" for prefix in self.prefixes))

    def uses(self, folder: str) -> bool:
        """Tell whether anything needs what lies in a folder."""
        return any(path.startswith(f"{folder}/") for path in self.in_use)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


NOT_ROOT = Problem(
    "the commands do not run as root",
    "let the user use sudo, or log in as root",
    "files below /opt and /etc, and the restart of a service, are root's; nor can others know how containerd "
    "and kubelet are, or what is installed: none of that was looked at",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one command prints of a node, understood.

    Where it did not run as root, the daemon, kubelets, receipts and what is in use are not known: others may open
    neither containerd's socket nor root's processes.
    """

    node: str
    machine: Machine
    daemon: Daemon | None
    footprint: Footprint
    receipts: tuple[Mapping[str, Any], ...]
    unit_state: str
    undecided: Problem | None = None
    """Why none of several containerds can be meant."""
    read_at: float = 0.0
    """When reading began by the node's own clock, in seconds since the epoch."""

    @property
    def no_daemon(self) -> Problem:
        """Why there is no daemon: none is known to us, none runs, or none can be chosen among several."""
        if not self.machine.is_root:
            return NOT_ROOT
        return self.undecided or Problem("containerd does not run", "systemctl status containerd")

    @property
    def running_daemon(self) -> Daemon:
        """The daemon; raises NodeprovError if there is none."""
        if self.daemon is None or not self.machine.is_root:
            raise NodeprovError(self.no_daemon.message, self.no_daemon.hint, where=self.node)
        return self.daemon


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What a decision needs of the cluster; `node` and `runtime_class` are None where it has no such object."""

    context: str
    server: str
    node: Mapping[str, Any] | None
    runtime_class: Mapping[str, Any] | None
    labelled: tuple[str, ...]
    """The nodes that have our label, but for those whose kubelet reports other handlers and not ours."""

    @property
    def is_cordoned(self) -> bool:
        """Whether no pod is sent to the node."""
        return bool(((self.node or {}).get("spec") or {}).get("unschedulable"))

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's labels."""
        labels: Mapping[str, str] = (self.node or {}).get("metadata", {}).get("labels", {})
        return labels

    def taint(self, key: str) -> str:
        """Return the values and effects of the node's taints of a key, such as `true:NoSchedule`; "" if none."""
        return taint_of(self.node, key)

    def condition(self, kind: str) -> Mapping[str, Any] | None:
        """Find a condition of the node, such as Ready; None where the cluster has none of that kind."""
        given = ((self.node or {}).get("status") or {}).get("conditions")
        found = given if isinstance(given, list) else []
        return next((each for each in found if isinstance(each, dict) and each.get("type") == kind), None)

    @property
    def handlers(self) -> tuple[str, ...] | None:
        """The runtime handlers that the node's kubelet reports; None before Kubernetes 1.30."""
        return handlers(self.node)


def taint_of(node: Mapping[str, Any] | None, key: str) -> str:
    """Return the values and effects of a node's taints of a key; "" if it has none."""
    given = ((node or {}).get("spec") or {}).get("taints")
    taints = [each for each in (given if isinstance(given, list) else []) if isinstance(each, dict)]
    found = [f"{each.get('value') or ''}:{each.get('effect')}" for each in taints if each.get("key") == key]
    return ",".join(sorted(found))


def handlers(node: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Name the runtime handlers that a node's kubelet reports; None before Kubernetes 1.30."""
    reported = (node or {}).get("status", {}).get("runtimeHandlers")
    return None if reported is None else tuple(each.get("name", "") for each in reported)


@dataclass(frozen=True, slots=True)
class NodeState:
    """What was read of a node, by its owners: the machine, its containerd, what is ours on it, its cluster."""

    node: Node
    layout: Layout
    machine: Machine
    daemon: Daemon
    footprint: Footprint
    cluster: ClusterState | None
    """None where the settings have no cluster."""
    history: History
    read_at: float = 0.0
    """When reading began by the node's own clock, in seconds since the epoch."""
    assumed: Mapping[str, State | None] = field(default_factory=dict)
    """The states of resources, by their keys, that they will have when other handlers of the run are done."""

    @classmethod
    def of(cls, node: Node, layout: Layout, facts: Facts, cluster: ClusterState | None) -> Self:
        """Put together what was read; raise NodeprovError if there is no daemon, or a receipt is damaged."""
        machine, handler = facts.machine, node.settings.runtime.handler
        history = History.read(facts.receipts, machine_id=machine.machine_id, handler=handler, node=node.name)
        daemon, footprint = facts.running_daemon, facts.footprint
        layout = layout.as_wanted(node.settings, footprint.links)
        return cls(node, layout, machine, daemon, footprint, cluster, history, facts.read_at)

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.node.settings

    def is_neighbours(self, path: str) -> bool:
        """Tell whether a path lies in the folder of another handler on the node."""
        return _is_below(path, self.footprint.handler_folders(self.layout))

    @property
    def unrecorded(self) -> tuple[str, ...]:
        """The other handlers on the node of which no receipt tells: what they share with this one is not known."""
        known = [each.handler for each in self.history.neighbours]
        folders = self.footprint.handler_folders(self.layout)
        return tuple(name for folder in folders if (name := posixpath.basename(folder)) not in known)
