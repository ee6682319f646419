"""What a lab's machines are made of: built once and kept outside the checkout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov_lab.base import Machine, OnEvent
from nodeprov_lab.cache import Cache
from nodeprov_lab.debian import debian_root
from nodeprov_lab.gobuild import CONTAINERD, ETCD, KUBERNETES, GoBuilder
from nodeprov_lab.gvisor_releases import mirror_folder
from nodeprov_lab.images import make_images
from nodeprov_lab.processes import at_once

# Measured in GB: Debian and programs 1.2, Go's modules 2.6 and its build cache 3.1, three machines 0.5 and pods.
_BUILD_BYTES = 10 << 30


@dataclass(frozen=True, slots=True)
class Programs:
    """The folders of the cluster's programs, and of the releases that the mirror serves."""

    cluster: tuple[Path, ...]
    mirror: Path

    def layers(self, machine: Machine) -> Sequence[Path]:
        """Return the trees that belong on a machine, each to be laid over its root."""
        trees = ("node", "master") if machine.role == "master" else ("node",)
        return [folder / tree for folder in self.cluster for tree in trees if (folder / tree).is_dir()]


@dataclass(frozen=True, slots=True)
class Parts:
    """A Debian root, programs, and an archive of images."""

    debian: Path
    programs: Programs
    images: bytes


def make_programs(cache: Cache, go: Path, on_event: OnEvent, *, tolerant: bool) -> Programs:
    """Build what is not built yet, one after another: a single build keeps all cores busy."""
    builder = GoBuilder(cache, go, on_event)
    built = tuple(builder.build(component) for component in (CONTAINERD, ETCD, KUBERNETES))
    return Programs(built, mirror_folder(builder, cache, on_event, tolerant=tolerant))


def bytes_to_build(cache: Path) -> int:
    """Say how much room the programs take while they are built; none once they are there."""
    return 0 if any(cache.glob("mirror-*")) else _BUILD_BYTES


def make_parts(cache: Cache, go: Path, debian_mirror: str, on_event: OnEvent, *, tolerant: bool) -> Parts:
    """Make all of it; Debian is mostly waited for, so that goes on meanwhile."""
    debian: list[Path] = []
    programs: list[Programs] = []
    at_once(
        [
            lambda: debian.append(debian_root(cache, debian_mirror, on_event)),
            lambda: programs.append(make_programs(cache, go, on_event, tolerant=tolerant)),
        ]
    )
    return Parts(debian[0], programs[0], make_images(cache))
