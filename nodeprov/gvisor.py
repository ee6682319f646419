"""What is wanted on a node that runs gVisor: facts and settings in, goals out."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nodeprov import containerd
from nodeprov.containerd import Runtime, effective, own_file
from nodeprov.distributions import How, editing
from nodeprov.errors import NodeprovError
from nodeprov.facts import Daemon, Facts
from nodeprov.inventory import Settings
from nodeprov.plan import Goal, constant
from nodeprov.releases import Release
from nodeprov.resources import ContainerdConfig, ContainerdSource, File, Link, OwnConfig, Tree
from nodeprov.states import FileState, LinkState
from nodeprov.templates import render

SHIM = "containerd-shim-runsc-v1"
DIGEST_CHARACTERS = 12
DROPIN = "dropin"
OWN_WORDS = ("Starting gVisor", "-gvisor ", "#1 SMP Sun Jan 10 15:06:54 PST 2016")
"""What gVisor's kernel says of itself: in its log, in its version, and in the version of every release so far.

The log may be forbidden (oci-seccomp), and releases before 2026 called themselves 4.4.0.
"""


def gvisors_word(said: str) -> str:
    """Return the line of a kernel's log or /proc/version that only gVisor's kernel says, or "" if it says none."""
    lines = [line for word in OWN_WORDS for line in said.splitlines() if word in line]
    return lines[0].partition("] ")[2] or lines[0] if lines else ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie on a node."""

    prefix: str
    handler: str

    @property
    def around(self) -> str:
        """The folder that was there before us: empty folders below it are ours."""
        return posixpath.dirname(self.prefix)

    @property
    def releases(self) -> str:
        """The folder of the releases, which all handlers share."""
        return f"{self.prefix}/releases"

    @property
    def handler_folder(self) -> str:
        """The folder of one handler's generations."""
        return f"{self.prefix}/handlers/{self.handler}"

    @property
    def current(self) -> str:
        """The link whose one rename is an upgrade."""
        return f"{self.handler_folder}/current"

    @property
    def runtime(self) -> Runtime:
        """The table in containerd's configuration: it names the shim and runsc.toml through `current`."""
        return Runtime(self.handler, f"{self.current}/{SHIM}", f"{self.current}/runsc.toml")


@dataclass(frozen=True, slots=True)
class Generation:
    """An immutable folder that ties a shim, a runsc and a runsc.toml together.

    binary_name is the versioned path, never a link: the shim keeps it for a container's whole life, and a
    runsc of another release cannot be trusted to talk to that container's sentry.
    """

    layout: Layout
    release: str
    runsc_toml: str

    @property
    def digest(self) -> str:
        """The name of its folder."""
        content = f"{self.release}\0{self.runsc_toml}".encode()
        return hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]

    @property
    def folder(self) -> str:
        """Its folder."""
        return f"{self.layout.handler_folder}/{self.digest}"

    def goals(self) -> tuple[Goal, ...]:
        """Want its three members."""
        release = f"{self.layout.releases}/{self.release}"
        toml = FileState(self.runsc_toml.encode(), 0o644)
        return (
            Goal(File(f"{self.folder}/runsc.toml", collected=True, within=self.layout.around), constant(toml)),
            *(
                Goal(
                    Link(f"{self.folder}/{name}", collected=True, within=self.layout.around),
                    constant(LinkState(f"{release}/{name}")),
                )
                for name in (SHIM, "runsc")
            ),
        )


def layout(settings: Settings) -> Layout:
    """Say where things lie on a node with these settings."""
    return Layout(settings.paths.prefix, settings.runtime.handler)


def former_layouts(facts: Facts, settings: Settings) -> tuple[Layout, ...]:
    """Say where things lie that were installed with another prefix."""
    return tuple(Layout(prefix, settings.runtime.handler) for prefix in facts.prefixes[1:])


def former_runtimes(facts: Facts, settings: Settings) -> tuple[Runtime, ...]:
    """Say which tables nodeprov may have written before the prefix was changed."""
    return tuple(each.runtime for each in former_layouts(facts, settings))


def generation(facts: Facts, settings: Settings, release: Release) -> Generation:
    """Say which generation these facts and settings want."""
    where = layout(settings)
    flags = runsc_flags(facts, settings)
    binary = f"{where.releases}/{release.name}/runsc"
    return Generation(where, release.name, render("runsc.toml.j2", binary=binary, flags=flags))


def runsc_flags(facts: Facts, settings: Settings) -> dict[str, str]:
    """Derive runsc's flags.

    systemd-cgroup follows the default runtime's SystemdCgroup in the effective configuration, for that is
    what kubelet's cgroup driver goes with: without it on such a node limits are silently not enforced
    (gvisor#10371), with it on another pods fail (gvisor#13258).
    """
    flags = {"platform": settings.runtime.platform, **settings.runtime.flags}
    if facts.daemon and effective.default_runtime_systemd_cgroup(facts.daemon.dump):
        flags["systemd-cgroup"] = "true"
    return dict(sorted(flags.items()))


def goals(facts: Facts, settings: Settings, release: Release) -> tuple[Goal, ...]:
    """Say what is wanted on a node, in the order in which it is to come true.

    Nothing before `current` is visible to anyone; replacing `current` is the commit.
    """
    where = layout(settings)
    wanted = generation(facts, settings, release)
    daemon = running_daemon(facts)
    return (
        Goal(
            Tree(f"{where.releases}/{release.name}", source=release.folder, within=where.around),
            constant(release.tree),
        ),
        *wanted.goals(),
        Goal(
            Link(where.current, within=where.around), constant(LinkState(wanted.digest)), "the commit: one rename"
        ),
        *person_goals(settings),
        *_config_goals(daemon, settings, where.runtime, former_runtimes(facts, settings)),
    )


def person_goals(settings: Settings) -> tuple[Goal, ...]:
    """Want runsc on people's PATH."""
    if not settings.paths.bin:
        return ()
    target = LinkState(f"{layout(settings).current}/runsc")
    return (Goal(Link(f"{settings.paths.bin}/runsc"), constant(target), "for people; no pod depends on it"),)


def config_resource(daemon: Daemon, runtime: Runtime) -> ContainerdConfig:
    """Name containerd's configuration file, or what it is made of, as a resource with its gate."""
    if daemon.source is None:
        return ContainerdConfig(daemon.config_path, runtime, daemon.binary)
    return ContainerdSource(daemon.source.path, runtime, daemon.binary, daemon.config_path, daemon.source.how)


def own_config(daemon: Daemon, runtime: Runtime) -> OwnConfig | None:
    """Name the file that could hold our table alone; None if the configuration file imports no folder for it."""
    if daemon.source is not None:
        return None
    text = containerd.decode(daemon.config.content) if daemon.config else ""
    path = own_file.path_of(daemon.config_path, text, runtime.handler)
    return OwnConfig(path, runtime, daemon.binary, root=daemon.config_path) if path else None


def _config_goals(
    daemon: Daemon, settings: Settings, runtime: Runtime, former: tuple[Runtime, ...]
) -> tuple[Goal, ...]:
    """Want our table in the file, or in one of its own, and not in the other."""
    root, own = config_resource(daemon, runtime), own_config(daemon, runtime)
    if settings.containerd.config_style == DROPIN and own and daemon.config:
        text = own_file.text_of(containerd.decode(daemon.config.content), runtime)
        wanted = constant(FileState(text.encode(), 0o644))
        return Goal(own, wanted), Goal(root, without_runtime(runtime, former))
    in_root = Goal(root, _with_runtime(daemon, runtime, former))
    return (in_root, Goal(own, constant(None))) if own else (in_root,)


def _with_runtime(
    daemon: Daemon, runtime: Runtime, former: tuple[Runtime, ...]
) -> Callable[[Any], FileState | None]:
    def target(current: FileState | None) -> FileState | None:
        if daemon.source is not None:
            return editing.added(daemon.source, current, runtime, former)
        version = ".".join(str(part) for part in daemon.disk_version)
        if current is None:
            text = containerd.add_runtime(containerd.empty_config(version), runtime)
            return FileState(text.encode(), 0o644)
        text = containerd.begun(containerd.decode(current.content), version)
        text = containerd.add_runtime(text, runtime, former)
        return replace(current, content=text.encode())

    return target


def without_runtime(
    runtime: Runtime, former: tuple[Runtime, ...] = (), how: How | None = None
) -> Callable[[Any], FileState | None]:
    """Want the configuration, or what it is made of, without our table, everything else as it is now."""

    def target(current: FileState | None) -> FileState | None:
        if current is None:
            return None
        if how is not None:
            return editing.removed(how, current, runtime, former)
        text = containerd.remove_runtime(containerd.decode(current.content), runtime, former)
        return replace(current, content=text.encode())

    return target


def how_edited(daemon: Daemon) -> How | None:
    """Say how what the configuration is made of is edited; None where it is containerd's own file."""
    return daemon.source.how if daemon.source else None


def containers_of_other_releases(facts: Facts, settings: Settings, release: Release) -> int:
    """Count the containers whose shim is another release's; each container of gVisor has a shim of its own."""
    here = f"{layout(settings).releases}/"
    return sum(
        count
        for path, count in facts.processes.items()
        if path.startswith(here)
        and posixpath.basename(path.removesuffix(" (deleted)")) == SHIM
        and not path.startswith(f"{here}{release.name}/")
    )


def tree_bytes(release: Release) -> int:
    """Say how many bytes a release takes."""
    return sum((release.folder / entry.path).stat().st_size for entry in release.tree.entries)


def running_daemon(facts: Facts) -> Daemon:
    """Return the daemon; raise NodeprovError if none runs, or none can be told from others."""
    if facts.daemon is None and facts.choice.problem:
        raise NodeprovError(facts.choice.problem.message, facts.choice.problem.hint, where=facts.node)
    if facts.daemon is None:
        raise NodeprovError("containerd does not run", "systemctl status containerd", where=facts.node)
    return facts.daemon
