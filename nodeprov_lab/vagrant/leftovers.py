"""All that the lab of virtual machines leaves in libvirt, found by its names."""

from __future__ import annotations

from dataclasses import dataclass

from nodeprov_lab.state import Leftovers
from nodeprov_lab.vagrant.libvirt import virsh
from nodeprov_lab.vagrant.machines import PREFIX


@dataclass(frozen=True, slots=True)
class VagrantLeftovers(Leftovers):
    """What is there of this lab."""

    domains: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]


def look() -> VagrantLeftovers:
    """Look for all of it; libvirt must run."""
    domains = [name for name in virsh("list", "--all", "--name").split() if name.startswith(f"{PREFIX}-")]
    networks = [name for name in virsh("net-list", "--all", "--name").split() if name.startswith(PREFIX)]
    volumes = [line.split()[0] for line in virsh("vol-list", "default").splitlines() if line.strip()]
    return VagrantLeftovers(
        tuple(domains), tuple(networks), tuple(name for name in volumes if name.startswith(PREFIX))
    )


def remove() -> VagrantLeftovers:
    """Remove all of it, and return what would not go."""
    found = look()
    for domain in found.domains:
        virsh("destroy", domain)
        virsh("undefine", domain, "--nvram")
    for network in found.networks:
        virsh("net-destroy", network)
        virsh("net-undefine", network)
    for volume in found.volumes:
        virsh("vol-delete", "--pool", "default", volume)
    return look()


def is_running(machine: str) -> bool:
    """Say whether a machine's domain runs."""
    return virsh("domstate", domain_of(machine)).strip() == "running"


def domain_of(machine: str) -> str:
    """Name a machine's domain."""
    return f"{PREFIX}-{machine}"
