"""What is true of a node, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nodeprov.containerd import Config, decode
from nodeprov.containerd.distributions.distribution import Distribution, Source
from nodeprov.containerd.distributions.profiles import PLAIN
from nodeprov.errors import NodeprovError
from nodeprov.node.daemon_choice import NOTHING, Choice
from nodeprov.node.kubelet import Kubelet
from nodeprov.states import FileState


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot: the same identity is the same running daemon."""

    boot_id: str
    pid: int
    start_ticks: int

    def as_json(self) -> dict[str, Any]:
        """Write it into a record."""
        return {"boot_id": self.boot_id, "pid": self.pid, "start_ticks": self.start_ticks}


@dataclass(frozen=True)  # no slots: the dump is parsed once
class Record:
    """What nodeprov wrote down after it had restarted a daemon: which process, and the configuration it read."""

    identity: Identity
    dump: str

    @cached_property
    def effective(self) -> Config:
        """The configuration that the process has read."""
        return Config(self.dump)


@dataclass(frozen=True, slots=True)
class Switched:
    """The last change that a node was to make by itself: of which run, and how it ended; "" if it has not."""

    run: str
    outcome: str = ""
    why: str = ""

    @property
    def restored(self) -> bool:
        """Tell whether the node has gone back."""
        return self.outcome not in ("", "kept")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of the running daemon."""

    type: str
    id: str
    status: str


@dataclass(frozen=True)  # no slots: each of its texts is parsed once
class Daemon:
    """The containerd that runs on the node; times are seconds since the epoch."""

    unit: str
    identity: Identity
    started_at: float
    binary: str
    version: tuple[int, ...]
    disk_version: tuple[int, ...]
    restart_seconds: float
    kill_mode: str
    needs_reload: bool
    socket: str
    ctr: str
    config_path: str
    config: FileState | None
    config_changed_at: float | None
    dump: str
    loaded_log: str
    plugins: tuple[Plugin, ...]
    distribution: Distribution = PLAIN
    source: Source | None = None
    """What the distribution makes the configuration file of; None where the file itself is edited."""
    delegate: bool = True
    config_target: str = ""
    """What the configuration's path leads to, if it is a link."""

    @cached_property
    def file(self) -> Config:
        """What its configuration file says, "" where there is none; raises Refused for what cannot be edited."""
        return Config(decode(self.config.content) if self.config else "")

    @cached_property
    def effective(self) -> Config:
        """The configuration that a restart would load, imports and defaults included."""
        return Config(self.dump)

    @property
    def next_version(self) -> tuple[int, ...]:
        """The version that a restart would start, as far as it is known."""
        return self.disk_version or self.version

    @property
    def edited_path(self) -> str:
        """Name the file that is edited."""
        return self.source.path if self.source else self.config_path

    @property
    def edited(self) -> FileState | None:
        """Return the file that is edited, as it is."""
        return self.source.state if self.source else self.config

    @property
    def cri_errors(self) -> tuple[str, ...]:
        """The parts of the CRI plugin that do not work, with their status; all of them when none is listed."""
        parts = [plugin for plugin in self.plugins if is_cri(plugin)]
        if not parts:
            return ("the CRI plugin is not loaded",)
        return tuple(f"{p.type}.{p.id}: {p.status}" for p in parts if p.status != "ok")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mounts."""

    path: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision about a node needs."""

    node: str
    uid: int
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
    links: Mapping[str, str]
    daemon: Daemon | None
    unit_state: str
    processes: Mapping[str, int]
    bundles: tuple[str, ...]
    """Paths below the prefix that a container's bundle names, also a stopped one's."""
    prefixes: tuple[str, ...]
    """Where nodeprov's things may lie: as the settings say, then as earlier ones said."""
    releases: tuple[str, ...]
    """The releases' folders."""
    generations: Mapping[str, str]
    """Each generation's folder, and the release folder that it names."""
    record: Record | None
    receipts: tuple[Mapping[str, Any], ...]
    switched: Switched | None = None
    kubelets: tuple[Kubelet, ...] = ()
    choice: Choice = NOTHING
    """Which of the containerds that run is meant, and why."""
    address_bits: int | None = None
    has_kvm: bool | None = None
    real_paths: Mapping[str, str] = field(default_factory=dict)
    """Where the folders of the settings really lie: /opt is a link on some systems."""
    loose: Mapping[str, str] = field(default_factory=dict)
    """Folders on the way to our places that are not root's alone, and whose they are."""

    def mount_of(self, path: str) -> Mount | None:
        """Find the mount that a path lies on."""
        path = self.real_paths.get(path, path)
        on = [m for m in self.mounts if path == m.path or path.startswith(m.path.rstrip("/") + "/")]
        # Of mounts on one another the last one counts, and max takes the first.
        return max(reversed(on), key=lambda mount: len(mount.path), default=None)


def is_cri(plugin: Plugin) -> bool:
    """Tell whether a plugin is a part of CRI: one in 1.x, several in 2.x."""
    return (plugin.type, plugin.id) == (
        "io.containerd.grpc.v1",
        "cri",
    ) or plugin.type == "io.containerd.cri.v1"


def dotted(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version) or "of unknown version"


def running_daemon(facts: Facts) -> Daemon:
    """Return the daemon; raise NodeprovError if none runs, or none can be told from others."""
    if facts.daemon is None and facts.choice.problem:
        raise NodeprovError(facts.choice.problem.message, facts.choice.problem.hint, where=facts.node)
    if facts.daemon is None:
        raise NodeprovError("containerd does not run", "systemctl status containerd", where=facts.node)
    return facts.daemon
