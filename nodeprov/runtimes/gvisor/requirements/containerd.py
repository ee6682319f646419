"""What gVisor needs of the containerd that runs it."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.errors import Problem
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.runtimes.gvisor import compatibility


def compatible(daemon: Daemon, release: str) -> Iterator[Problem]:
    """See that this release works with the containerd that runs, and with the one that a restart would start."""
    for version, which in ((daemon.version, "running"), (daemon.disk_version, "on disk")):
        known = compatibility.row(version, release) if version else None
        if known and known.reason:
            said = f"containerd {version_text(version)} ({which}) is too old for gVisor {release}: {known.reason}"
            yield Problem(said, known.way_out, known.source)
            return


def selinux(daemon: Daemon) -> Iterator[Problem]:
    """See that containerd asks for no label that cannot be set in a sandbox."""
    if daemon.effective.enables_selinux:
        yield Problem(
            "containerd has enable_selinux = true, with which every gVisor pod fails (gvisor#8747)",
            f"set it to false in {daemon.config_path} on nodes that run gVisor",
            "the labels that containerd then asks for cannot be set in a sandbox (gvisor#8747)",
        )
