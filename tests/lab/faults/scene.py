"""Where a fault is acted: the node, the run that is to notice, and what must be expected of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab import power
from tests.lab.faults.operations import GO
from tests.lab.faults.watching import Watching
from tests.lab.machines import STATE, UNIT_FOLDER, Machine

EDIT = b"# edited by another tool\n"


@dataclass
class Scene:
    """A node in one of its lives."""

    node: Machine
    run: Watching | None = None
    answer: bytes = GO
    edits: int = 0
    """How many lines another tool has put at the top of config.toml."""
    declared: bool = False
    """Whether config.toml declared our runtime when the run began."""
    has_rebooted: bool = False

    @property
    def running(self) -> Watching:
        """The run, which has begun."""
        assert self.run is not None
        return self.run

    def disk(self, path: str) -> bytes:
        """Read a file of the node's disk without asking the node."""
        return Path(f"{STATE}/machines/{self.node.name}/root{path}").read_bytes()

    def edited(self, config: bytes) -> bytes:
        """Write what a configuration is with the other tool's lines."""
        return EDIT * self.edits + config

    def no_drop_in(self, name: str) -> None:
        """Take a change of containerd's unit away."""
        self.node.run(f"rm -f {UNIT_FOLDER}/{name}.conf; systemctl daemon-reload")

    def pull_power(self) -> None:
        """Kill the node."""
        power.pull(self.node.name)
        self.has_rebooted = True
        self.node.host.close()

    def put_power_in(self) -> None:
        """Boot it again."""
        power.put_in(self.node.name)
        self.node.host.close()
