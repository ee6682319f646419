"""The containerd of a node: the process, its unit, its configuration."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nodeprov.containerd import Config, drop_in_path
from nodeprov.containerd.distributions.distribution import Distribution, Source
from nodeprov.containerd.distributions.profiles import PLAIN
from nodeprov.node.daemon_choice import NOTHING, Choice
from nodeprov.states import FileState

CRI_OF_1X = ("io.containerd.grpc.v1", "cri")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot: the same identity is the same running daemon."""

    boot_id: str
    pid: int
    start_ticks: int


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
    parents: tuple[str, ...] = ()
    """The programs that have started it, the nearest first, each with its first argument if that is a word."""
    source: Source | None = None
    """What the distribution makes the configuration file of; None where the file itself is edited."""
    delegate: bool = True
    config_target: str = ""
    """What the configuration's path leads to, if it is a link."""
    locked: Mapping[str, str] = field(default_factory=dict)
    """Of the file that is edited and its folder: which even root cannot replace, and why."""
    choice: Choice = NOTHING
    """Why this one is meant, and which others run."""
    complaints: tuple[str, ...] = ()
    """What the CRI plugin says is wrong, where it does not work."""
    refusal: str = ""
    """What containerd says of its configuration where it cannot read it."""

    @cached_property
    def file(self) -> Config:
        """What its configuration file holds, "" where there is none; raises Refused for what cannot be edited."""
        return Config.of(self.config.content if self.config else b"", self.config_path)

    @cached_property
    def effective(self) -> Config:
        """The configuration that a restart would load, imports and defaults included."""
        return Config(self.dump, self.config_path)

    @property
    def next_version(self) -> tuple[int, ...]:
        """The version that a restart would start, as far as it is known."""
        return self.disk_version or self.version

    @property
    def version_to_start(self) -> str:
        """The same as a text; "" where it is not known."""
        return ".".join(str(part) for part in self.next_version)

    @property
    def edited_path(self) -> str:
        """Name the file that is edited."""
        return self.source.path if self.source else self.config_path

    @property
    def edited(self) -> FileState | None:
        """Return the file that is edited, as it is."""
        return self.source.state if self.source else self.config

    @property
    def drop_ins(self) -> tuple[str, ...]:
        """The glob of the files that the distribution reads itself before it starts containerd; () if none."""
        if self.source is None or not self.distribution.drop_ins:
            return ()
        return (posixpath.join(posixpath.dirname(self.config_path), self.distribution.drop_ins),)

    def drop_in_path(self, handler: str) -> str | None:
        """Name the file that could hold a handler's table alone; None if none is read, or is ours to write."""
        return None if self.source else drop_in_path(self.config_path, self.file, handler)

    @property
    def cri_errors(self) -> tuple[str, ...]:
        """What the CRI plugin says is wrong, or else the parts of it that do not work, with their status."""
        # In 1.x it is one plugin, in 2.x there are several.
        parts = [p for p in self.plugins if p.type == "io.containerd.cri.v1" or (p.type, p.id) == CRI_OF_1X]
        if not parts:
            return ("the CRI plugin is not loaded",)
        wrong = tuple(f"{p.type}.{p.id}: {p.status}" for p in parts if p.status != "ok")
        return wrong and (self.complaints or wrong)


def version_text(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version) or "of unknown version"
