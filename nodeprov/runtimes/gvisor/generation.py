"""A generation: one release and one runsc.toml, tied together in an immutable folder."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass

from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.footprint import Footprint
from nodeprov.plan.goal import Goal, constant
from nodeprov.plan.resources.file import File
from nodeprov.plan.resources.link import Link
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.layout import SHIM, Layout, layout
from nodeprov.states import FileState, LinkState
from nodeprov.templates import render

DIGEST_CHARACTERS = 12


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


def generation(daemon: Daemon, settings: Settings, release: Release) -> Generation:
    """Say which generation these settings want under this containerd."""
    where = layout(settings)
    flags = runsc_flags(daemon, settings)
    binary = f"{where.releases}/{release.name}/runsc"
    return Generation(where, release.name, render("gvisor/runsc.toml.j2", binary=binary, flags=flags))


def runsc_flags(daemon: Daemon, settings: Settings) -> dict[str, str]:
    """Derive runsc's flags.

    systemd-cgroup follows the default runtime's SystemdCgroup in the effective configuration, for that is
    what kubelet's cgroup driver goes with: without it on such a node limits are silently not enforced
    (gvisor#10371), with it on another pods fail (gvisor#13258).
    """
    flags = {"platform": settings.runtime.platform, **settings.runtime.flags}
    if daemon.effective.systemd_cgroup:
        flags["systemd-cgroup"] = "true"
    return dict(sorted(flags.items()))


def containers_of_other_releases(footprint: Footprint, settings: Settings, release: Release) -> int:
    """Count the containers whose shim is another release's; each container of gVisor has a shim of its own."""
    here = f"{layout(settings).releases}/"
    return sum(
        count
        for path, count in footprint.processes.items()
        if path.startswith(here)
        and posixpath.basename(path.removesuffix(" (deleted)")) == SHIM
        and not path.startswith(f"{here}{release.name}/")
    )


def tree_bytes(release: Release) -> int:
    """Say how many bytes a release takes."""
    return sum((release.folder / entry.path).stat().st_size for entry in release.tree.entries)
