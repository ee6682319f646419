"""The Debian that the machines boot, and what else Debian has, obtained by mmdebstrap."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nodeprov.hosts.local import run_checked
from nodeprov_lab.base import OnEvent, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.processes import ending_with_us

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


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a Debian has beyond PACKAGES: scripts that run in it before and after the packages are installed."""

    name: str
    packages: tuple[str, ...] = ()
    prepare: str = ""
    finish: str = ""


PLAIN = Flavor("debian")


def debian_root(cache: Cache, mirror: str, on_event: OnEvent, flavor: Flavor = PLAIN) -> Path:
    """Return a root folder with the packages; an empty `mirror` means mmdebstrap's own choice."""
    ingredients = {
        "suite": SUITE,
        "packages": " ".join((*PACKAGES, *flavor.packages)),
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


def debian_tree(folder: Path, suite: str, package: str, mirror: str, on_event: OnEvent) -> None:
    """Unpack a package of a suite, and what it depends on, into a new folder; nothing of it is run."""
    argv = ["mmdebstrap", "--variant=extract", f"--include={package}", suite, str(folder)]
    with step(on_event, f"unpacking {package} of Debian {suite}"):
        _run([*argv, mirror] if mirror else argv)


def _make(mirror: str, on_event: OnEvent, flavor: Flavor, folder: Path) -> None:
    packages = ",".join((*PACKAGES, *flavor.packages))
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
