"""What a lab's machines are made of, a Debian, programs and images: built once and kept outside the checkout."""

import os
import platform
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nodeprov.hosts.local import run_checked
from nodeprov_lab.base import Machine, OnEvent, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.gobuild import CONTAINERD, ETCD, KUBERNETES, Go, GoBuilder
from nodeprov_lab.gvisor_releases import mirror_folder
from nodeprov_lab.images import make_images
from nodeprov_lab.processes import at_once, ending_with_us

# systemd from version 258 on refuses cgroup v1, and trixie's is the newest below it.
SUITE = "trixie"
# No Python, curl or bzip2: a node must not need them.
PACKAGES = (
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "dbus",
    "ethtool",
    "fish",  # a login shell that is no POSIX shell, for the tests
    "iproute2",
    "iptables",
    "kmod",
    "mount",
    "openssh-server",
    "procps",
    "runc",
    "socat",
    "sudo",
    "systemd",
    "systemd-sysv",
    "util-linux",
)
# mmdebstrap mounts /proc, /sys and parts of /dev into the root. Killed, it would leave them, and its children.
_CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_TIMEOUT_SECONDS = 1800.0
# Measured in GB: Debian and programs 1.2, Go's modules 2.6 and its build cache 3.1, three machines 0.5 and pods.
_BUILD_BYTES = 10 << 30


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a Debian has: packages beyond its base, and scripts that run in it before and after these come."""

    name: str
    packages: tuple[str, ...] = ()
    prepare: str = ""
    finish: str = ""
    base: tuple[str, ...] = PACKAGES


PLAIN = Flavor("debian")


def debian_root(cache: Cache, mirror: str, on_event: OnEvent, flavor: Flavor = PLAIN) -> Path:
    """Return a root folder with the packages; an empty `mirror` means mmdebstrap's own choice."""
    ingredients = {
        "suite": SUITE,
        "packages": " ".join((*flavor.base, *flavor.packages)),
        "mirror": mirror,
        "machine": platform.machine(),
    }
    if flavor != PLAIN:
        ingredients |= {"prepare": flavor.prepare, "finish": flavor.finish}
    folder = cache.folder(flavor.name, ingredients, partial(_make, mirror, on_event, flavor))
    return folder / "root"


def chosen_mirror() -> str:
    """Name the mirror of Debian that is wanted, $NODEPROV_LAB_DEBIAN_MIRROR; "" leaves it to mmdebstrap."""
    return os.environ.get("NODEPROV_LAB_DEBIAN_MIRROR", "")


def debian_tree(
    folder: Path, suite: str, package: str, mirror: str, on_event: OnEvent, *, architecture: str = ""
) -> None:
    """Unpack a package of a suite, and what it depends on, into a new folder; nothing of it is run.

    `architecture` is Debian's name of another one than this machine's.
    """
    other = [f"--architectures={architecture}"] if architecture else []
    argv = ["mmdebstrap", "--variant=extract", *other, f"--include={package}", suite, str(folder)]
    with step(on_event, f"unpacking {package} of Debian {suite}"):
        _run([*argv, mirror] if mirror else argv)


def _make(mirror: str, on_event: OnEvent, flavor: Flavor, folder: Path) -> None:
    packages = ",".join((*flavor.base, *flavor.packages))
    argv = ["mmdebstrap", "--variant=minbase", f"--include={packages}"]
    for when, script in (("essential", flavor.prepare), ("customize", flavor.finish)):
        if script:
            file = folder / when
            file.write_text(script)
            argv.append(f'--{when}-hook=chroot "$1" sh -eu < {shlex.quote(str(file))}')
    argv += [SUITE, str(folder / "root"), *([mirror] if mirror else [])]
    with step(on_event, f"installing Debian {SUITE}"):
        _run(argv)


def _run(argv: Sequence[str]) -> None:
    run_checked(ending_with_us([*_CONTAINED, *argv]), "cannot install Debian", timeout_seconds=_TIMEOUT_SECONDS)


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


def make_programs(cache: Cache, go: Go, on_event: OnEvent, *, tolerant: bool) -> Programs:
    """Build what is not built yet, one after another: a single build keeps all cores busy."""
    builder = GoBuilder(cache, go, on_event)
    built = tuple(builder.build(component) for component in (CONTAINERD, ETCD, KUBERNETES))
    return Programs(built, mirror_folder(builder, cache, on_event, tolerant=tolerant))


def bytes_to_build(cache: Path) -> int:
    """Return how much room the programs take while they are built; none once they are there."""
    return 0 if any(cache.glob("mirror-*")) else _BUILD_BYTES


def make_parts(cache: Cache, go: Go, debian_mirror: str, on_event: OnEvent, *, tolerant: bool) -> Parts:
    """Make all of it; Debian is mostly waited for, so that goes on meanwhile."""
    calls: list[Callable[[], Any]] = [
        partial(debian_root, cache, debian_mirror, on_event),
        partial(make_programs, cache, go, on_event, tolerant=tolerant),
    ]
    debian, programs = at_once(calls)
    return Parts(debian, programs, make_images(cache))
