"""Kubernetes distributions: what each makes containerd's configuration of, and what a restart of it means."""

import itertools
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from nodeprov.states import FileState


class How(Enum):
    """How a file is edited that containerd's configuration is made of."""

    IN_PLACE = "in place"
    """TOML, edited as if it were containerd's own file."""
    GO_TEMPLATE = "as a Go template"
    """Text that a distribution expands: our table is appended, and all else stays."""
    DROP_IN = "as a file of its own"


@dataclass(frozen=True, slots=True)
class Origin:
    """A file that a distribution makes containerd's configuration of.

    `name` is relative to the folder of containerd's file, and may hold {handler}; it is read by a distribution
    whose containerd is `since` that major version or later; `version` is the configuration's when it is new.
    """

    name: str
    how: How
    version: int
    since: int = 1


@dataclass(frozen=True, slots=True)
class Distribution:
    """A profile: a new one is one more value of this in profiles.py.

    `config` is a pattern of the file that containerd reads, and `header` one of a line in it, by which the
    distribution is known; without origins that file itself is edited. `layout` is a pattern of that file's path in
    another folder of data. Where `owns_marked` is set the distribution writes only a file that has the header.

    `units` are the services that start containerd, and `starters` the processes above it, by program or by program
    and first argument, both with what else a restart of each one restarts.

    `kubelets` are the programs that are kubelet, or have it in them, and talk to `socket` unless another is set;
    `kubelet_config` is a file (and, with .d behind its name, a folder) that such a program reads in place of
    kubelet's own, `kubelet_unit` the service of kubelet alone, and `variables` stand in kubelet's arguments.

    `drop_ins` is a glob of files, in the folder of containerd's file, that the distribution reads itself before it
    starts containerd.

    `kubectl` is how it is called, in `kubectl_folder` where PATH does not name that; `kubeconfig` is the
    administrator's, on a node of the control plane.
    """

    name: str
    title: str
    config: str
    socket: str
    units: Mapping[str, tuple[str, ...]]
    kubectl: str
    kubectl_folder: str
    kubeconfig: str
    kubelets: tuple[str, ...] = ()
    kubelet_config: str = ""
    kubelet_unit: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()
    drop_ins: str = ""
    header: str = ""
    owns_marked: bool = False
    layout: str = ""
    starters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def restarts_too(self, unit: str, parents: Sequence[str]) -> tuple[str, ...]:
        """Name what a restart of a unit restarts besides containerd, by its name or the program in it."""
        return self.units.get(unit) or next(filter(None, map(self._started_by, parents)), ())

    def is_above(self, parents: Sequence[str]) -> bool:
        """Tell whether a process of its own has started a containerd."""
        return any(self._started_by(parent) is not None for parent in parents)

    def wrote(self, config: str) -> bool:
        """Tell whether a file says that the distribution has written it."""
        return bool(self.header) and re.search(rf"^{self.header}", config, re.MULTILINE) is not None

    def _started_by(self, parent: str) -> tuple[str, ...] | None:
        return self.starters.get(parent, self.starters.get(parent.partition(" ")[0]))


@dataclass(frozen=True, slots=True)
class Traces:
    """What tells whose containerd one is: its service, its file, and the processes above it, the nearest first."""

    unit: str
    config_path: str
    config: str = ""
    parents: tuple[str, ...] = ()
    """Each one's program, and behind a blank its first argument if that is a plain word."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file that is edited, as it is: the origin of containerd's configuration, where that is made of one."""

    path: str
    how: How
    version: int
    state: FileState | None
    changed_at: float | None
    leads_to: str
    """Where the file really lies: a link into a read-only store cannot be edited."""
    made: str | None = None
    """What was made of it as it is; None where it has changed since, or nothing was made yet."""
    daemon_version: str = ""
    """The containerd that reads what is made of it, after its next start; "" where that is not known."""


Found = Mapping[str, tuple[FileState | None, float | None, str]]
"""What is at a path: the state, when it changed, and where it really lies."""


def source_of(
    distribution: Distribution,
    config_path: str,
    config: str,
    version: tuple[int, ...],
    handler: str,
    found: Found,
    made_at: float | None = None,
) -> Source | None:
    """Find the file by which a distribution's containerd is to be configured; None for containerd's own file.

    The first one that is there is the one that is read; where none is, the first one is to be made. `made_at` is
    when `config` was made, in seconds since the epoch; None where there is no such file yet.
    """
    major = (version or (2,))[0]
    if distribution.owns_marked and not distribution.wrote(config):
        return None
    usable = [origin for origin in distribution.origins if major >= origin.since]
    if not usable:
        return None
    folder = posixpath.dirname(config_path)
    names = {origin: origin.name.format(handler=handler) for origin in usable}
    paths = {origin: posixpath.normpath(posixpath.join(folder, name)) for origin, name in names.items()}
    chosen = next((origin for origin in usable if paths[origin] in found), usable[0])
    state, changed_at, leads_to = found.get(paths[chosen], (None, None, paths[chosen]))
    is_of_it = made_at is not None and (changed_at or 0.0) <= made_at
    return Source(
        paths[chosen],
        chosen.how,
        chosen.version,
        state,
        changed_at,
        leads_to or paths[chosen],
        config if is_of_it else None,
        ".".join(str(part) for part in version),
    )


def detect(profiles: tuple[Distribution, ...], found: Traces) -> Distribution:
    """Tell whose containerd one is; the first profile is that of all others.

    The process that has started it is the best witness, for a unit and a folder can have any name. A file that
    says who has written it may be a copy, and is believed only where not systemd itself has started containerd.
    """
    path = found.config_path
    witnesses: tuple[Callable[[Distribution], object], ...] = (
        lambda profile: profile.is_above(found.parents),
        lambda profile: found.unit in profile.units,
        lambda profile: found.parents and profile.wrote(found.config),
        lambda profile: profile.config and re.fullmatch(profile.config, path),
        lambda profile: found.parents and profile.layout and re.fullmatch(profile.layout, path),
    )
    known = (profile for is_it in witnesses for profile in profiles if is_it(profile))
    return next(known, profiles[0])


_MADE = re.compile(
    r"(?i)\b(generated|managed|rendered|written) (by|with)\b|\bdo not (edit|modify|change)\b|ansible managed"
)


def says_that_it_is_made(config: str) -> str:
    """Find the comment at the top of a file by which a program says that it makes it; "" if there is none."""
    head = itertools.takewhile(lambda line: not line.strip() or line.startswith("#"), config.splitlines())
    return next((line for line in head if _MADE.search(line) and "nodeprov" not in line), "")
