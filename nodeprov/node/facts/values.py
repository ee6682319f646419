"""What is read of a node, before it is known whether a containerd can be meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, Problem
from nodeprov.node.daemon import Daemon
from nodeprov.node.footprint import Footprint
from nodeprov.node.machine import Machine


@dataclass(frozen=True, slots=True)
class Facts:
    """What one command tells of a node."""

    node: str
    machine: Machine
    daemon: Daemon | None
    footprint: Footprint
    receipts: tuple[Mapping[str, Any], ...]
    unit_state: str
    undecided: Problem | None = None
    """Why none of several containerds can be meant."""

    @property
    def no_daemon(self) -> Problem:
        """Why there is no daemon: none runs, or none can be told from others."""
        return self.undecided or Problem("containerd does not run", "systemctl status containerd")

    @property
    def running_daemon(self) -> Daemon:
        """The daemon; raises NodeprovError if there is none."""
        if self.daemon is None:
            raise NodeprovError(self.no_daemon.message, self.no_daemon.hint, where=self.node)
        return self.daemon
