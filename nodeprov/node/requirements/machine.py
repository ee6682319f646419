"""What an installation needs of the machine."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.errors import Problem
from nodeprov.node.machine import Machine


def root(machine: Machine) -> Iterator[Problem]:
    """See that commands run as root."""
    if machine.uid != 0:
        yield Problem(
            "the commands do not run as root",
            "let the user use sudo, or log in as root",
            "files below /opt and /etc, and the restart of a service, are root's",
        )


def systemd(machine: Machine) -> Iterator[Problem]:
    """See that systemd runs, which restarts containerd."""
    if machine.systemd_version is None:
        yield Problem(
            "systemd does not run on this node",
            "this version restarts containerd by systemd only",
            "containerd reads its configuration at its start only",
        )
