"""What this machine must have to host the lab of virtual machines."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import Problem
from nodeprov_lab.gobuild import NO_GO, find_go
from nodeprov_lab.host import free_bytes
from nodeprov_lab.images import static_busybox
from nodeprov_lab.parts import bytes_to_build

# The Debian package that brings each program.
PROGRAMS: Mapping[str, str] = {
    "gpg": "gpg",
    "ssh": "openssh-client",
    "vagrant": "vagrant",
    "virsh": "libvirt-clients",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
}
BUSYBOX = "busybox-static"
DAEMONS: Mapping[str, str] = {"/usr/sbin/libvirtd": "libvirt-daemon-system", "/usr/sbin/dnsmasq": "dnsmasq-base"}
BUILDERS: Mapping[str, str] = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"}
_VIRTUALIZATION = re.compile(r"^flags\s*:.* (vmx|svm)( |$)", re.MULTILINE)
_NEEDED_BYTES = 8 << 30  # measured: the box 1 GB three times (cache, Vagrant, libvirt), the machines' own 1 GB


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What was found on this machine; `missing_packages` are Debian's names."""

    is_root: bool
    missing_packages: tuple[str, ...]
    has_go: bool
    free_bytes: int
    needed_bytes: int


def has_kvm() -> bool:
    """Return whether this machine runs others at full speed; as the Vagrantfile does."""
    return os.access("/dev/kvm", os.W_OK) and can_virtualize(Path("/proc/cpuinfo").read_text())


def can_virtualize(cpuinfo: str) -> bool:
    """Return whether the processor does; a kernel may offer /dev/kvm without it, to its own kind of guests."""
    return _VIRTUALIZATION.search(cpuinfo) is not None


def gather(checkout: Path, cache: Path, *, builds_box: bool) -> HostFacts:
    """Look at this machine; the folders are where much will be written."""
    programs = {**PROGRAMS, **DAEMONS, **(BUILDERS if builds_box else {})}
    missing = {package for program, package in programs.items() if shutil.which(program) is None}
    if static_busybox() is None:
        missing.add(BUSYBOX)
    return HostFacts(
        is_root=os.geteuid() == 0,
        missing_packages=tuple(sorted(missing)),
        has_go=find_go() is not None,
        free_bytes=min(free_bytes(checkout), free_bytes(cache)),
        needed_bytes=_NEEDED_BYTES + bytes_to_build(cache),
    )


def problems(facts: HostFacts, *, builds_box: bool) -> Sequence[Problem]:
    """List all that keeps this machine from hosting the lab, and what to type to change it."""
    found = []
    if facts.missing_packages:
        packages = " ".join(facts.missing_packages)
        hint = (
            f"script/bootstrap --vagrant, or: apt-get install --no-install-recommends {packages} vagrant-libvirt"
        )
        found.append(Problem(f"missing packages: {packages}", hint))
    if not facts.has_go:
        found.append(NO_GO)
    if builds_box and not facts.is_root:
        found.append(Problem("a box is built by root alone", "become root: sudo -i"))
    if facts.free_bytes < facts.needed_bytes:
        free, needed = facts.free_bytes >> 30, facts.needed_bytes >> 30
        found.append(Problem(f"{free} GiB of disk are free, {needed} GiB are needed", "df -h"))
    return found
