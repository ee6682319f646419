"""All that stands against an installation of gVisor on a node."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.facts import Facts
from nodeprov.node.footprint import Footprint
from nodeprov.node.machine import Machine
from nodeprov.node.requirements import check as any_runtime
from nodeprov.node.requirements.containerd import runs
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import tree_bytes
from nodeprov.runtimes.gvisor.layout import former_runtimes, layout
from nodeprov.runtimes.gvisor.requirements import containerd, machine

USES = {
    "prefix": "runsc and its shim are executed from there",
    "state": "receipts are kept there, by which an uninstall knows what was before",
    "bin": "a link to runsc is made there, for people",
}


def check(
    of: Machine, daemon: Daemon, footprint: Footprint, settings: Settings, release: Release | None = None
) -> tuple[Problem, ...]:
    """Find all the reasons not to begin, before anything is touched; without a release, all but its own."""
    own = _own(of, footprint, settings, release, daemon)
    former = former_runtimes(footprint, settings)
    of_daemon = any_runtime.of_daemon(of, daemon, settings, layout(settings).runtime, former, own)
    return any_runtime.check(of, settings, own, of_daemon)


def check_facts(facts: Facts, settings: Settings) -> tuple[Problem, ...]:
    """Do the same where perhaps no containerd runs, or none can be meant."""
    if facts.daemon is not None:
        return check(facts.machine, facts.daemon, facts.footprint, settings)
    own = _own(facts.machine, facts.footprint, settings)
    return any_runtime.check(facts.machine, settings, own, runs(facts))


def _own(
    of: Machine,
    footprint: Footprint,
    settings: Settings,
    release: Release | None = None,
    daemon: Daemon | None = None,
) -> any_runtime.Own:
    version = release.version if release else settings.release.version
    return any_runtime.Own(
        uses=USES,
        release_bytes=_missing_bytes(footprint, settings, release) if release else None,
        kernel=machine.kernel(of),
        platform=machine.platform(of, settings),
        containerd=containerd.compatible(daemon, version) if daemon else (),
        configuration=containerd.selinux(daemon) if daemon else (),
        files=_others_files(footprint, settings),
    )


def _missing_bytes(footprint: Footprint, settings: Settings, release: Release) -> int | None:
    is_there = f"{layout(settings).releases}/{release.name}" in footprint.releases
    return None if is_there else tree_bytes(release)


def _others_files(footprint: Footprint, settings: Settings) -> Iterator[Problem]:
    """See that no file of somebody else lies where ours would."""
    path = f"{settings.paths.bin}/runsc"
    target = footprint.links.get(path, "") if settings.paths.bin else ""
    if target and not target.startswith(tuple(f"{prefix}/" for prefix in footprint.prefixes)):
        what = "is a file" if target == "(no link)" else f"leads to {target}"
        yield Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" if people should keep that one',
            "people would run one release, and pods another",
        )
