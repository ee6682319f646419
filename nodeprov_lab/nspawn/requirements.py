"""What this machine must have to host the nspawn lab."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError, Problem
from nodeprov_lab.base import Machine
from nodeprov_lab.gobuild import NO_GO, find_go
from nodeprov_lab.host import free_bytes, own_capabilities
from nodeprov_lab.images import static_busybox
from nodeprov_lab.parts import bytes_to_build

# The Debian package that brings each program.
PROGRAMS: Mapping[str, str] = {
    "busybox": "busybox-static",
    "gpg": "gpg",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "ssh": "openssh-client",
    "setpriv": "util-linux",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
NO_ROOT = Problem("the lab's machines need root", "become root: sudo -i")
_NEEDED_CAPABILITIES: Mapping[str, int] = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21}
_NEEDED_BYTES_TO_RUN = 2 << 30
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
"""How many inotify instances one user may have, root's in all containers together (inotify(7))."""
INSTANCES_OF_MACHINE = 20
"""Measured on a machine with some pods: 16, of which systemd has 4, containerd 2 and kubelet 6."""
INSTANCES_OF_BARE_MACHINE = 8
"""The same without kubelet and pods: measured 6."""
INSTANCES_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What was found on this machine. `capabilities` is the bit set of this process."""

    is_root: bool
    capabilities: int
    missing_programs: tuple[str, ...]
    has_go: bool
    has_overlay: bool
    free_bytes: int
    needed_bytes: int
    free_instances: int
    needed_instances: int


def gather(state: Path, cache: Path, machines: Sequence[Machine]) -> HostFacts:
    """Look at this machine; the folders are where much will be written, and these machines are to be started."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if static_busybox() is None and "busybox" not in missing:
        missing.append("busybox")
    return HostFacts(
        is_root=os.geteuid() == 0,
        capabilities=own_capabilities(),
        missing_programs=tuple(sorted(missing)),
        has_go=find_go() is not None,
        has_overlay="overlay" in Path("/proc/filesystems").read_text().split(),
        free_bytes=min(free_bytes(state), free_bytes(cache)),
        needed_bytes=max(_NEEDED_BYTES_TO_RUN, bytes_to_build(cache)),
        free_instances=int(INOTIFY.read_text()) - used_instances(),
        needed_instances=sum(
            INSTANCES_OF_MACHINE if machine.has_kubelet else INSTANCES_OF_BARE_MACHINE for machine in machines
        ),
    )


def used_instances() -> int:
    """Count the inotify instances of our own user's processes, as far as they can be looked at."""
    return sum(_is_instance(each) for each in Path("/proc").glob("[0-9]*/fd/*"))


def _is_instance(descriptor: Path) -> bool:
    try:
        is_ours = descriptor.lstat().st_uid == os.geteuid()
        return is_ours and str(descriptor.readlink()) == "anon_inode:inotify"
    except OSError:  # it is closed by now
        return False


def require_root() -> None:
    """Raise NodeprovError unless we are root."""
    if os.geteuid() != 0:
        raise NodeprovError(NO_ROOT.message, NO_ROOT.hint)


def problems(facts: HostFacts) -> Sequence[Problem]:
    """List all that keeps this machine from hosting the lab, and what to type to change it."""
    found = []
    if not facts.is_root:
        found.append(NO_ROOT)
    else:
        lacking = [name for name, bit in _NEEDED_CAPABILITIES.items() if not facts.capabilities >> bit & 1]
        if lacking:
            hint = "this looks like a container: run on a real or virtual machine, or in a privileged container"
            found.append(Problem(f"root lacks {', '.join(lacking)} here", hint))
    if facts.missing_programs:
        packages = " ".join(sorted({PROGRAMS[name] for name in facts.missing_programs}))
        hint = f"apt-get install -y {packages}"
        found.append(Problem(f"missing programs: {', '.join(facts.missing_programs)}", hint))
    if not facts.has_go:
        found.append(NO_GO)
    if not facts.has_overlay:
        found.append(Problem("the kernel has no overlay file system", "modprobe overlay"))
    if facts.free_bytes < facts.needed_bytes:
        free, needed = facts.free_bytes >> 30, facts.needed_bytes >> 30
        found.append(Problem(f"{free} GiB of disk are free, {needed} GiB are needed", "df -h"))
    if facts.free_instances < facts.needed_instances:
        found.append(
            Problem(
                f"{INOTIFY} leaves {max(0, facts.free_instances)} inotify instances, the machines need "
                f"{facts.needed_instances}: kubelet would end with `inotify_init: too many open files`",
                f"sysctl -w fs.inotify.max_user_instances={INSTANCES_LIMIT}",
            )
        )
    return found
