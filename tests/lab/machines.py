"""The lab's machines as a test uses them."""

from __future__ import annotations

from nodeprov.hosts.ssh import SshHost
from nodeprov.inventory import Ssh

STATE = "/var/lib/nodeprov-lab/nspawn"
ADDRESSES = {"master": "10.123.0.10", "worker1": "10.123.0.11", "worker2": "10.123.0.12"}


def lab_host(name: str) -> SshHost:
    """Connect to a machine of the lab as root."""
    return SshHost(
        name,
        Ssh(
            address=ADDRESSES[name],
            user="root",
            identity_file=f"{STATE}/id_ed25519",
            known_hosts=f"{STATE}/known_hosts",
        ),
    )
