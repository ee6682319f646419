"""The node's containerd as something that must prove what it runs, and of which a record is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host
from nodeprov.node.facts import gather
from nodeprov.node.loaded_config import is_what_was_read
from nodeprov.node.state import Facts, NodeState
from nodeprov.plan.steps import Swap
from nodeprov.runtimes.family import Family
from nodeprov.states import FileState

POLL_SECONDS = 0.5


class Containerd:
    """The containerd of one node: proofs, and what it has loaded."""

    def __init__(
        self, host: Host, state: NodeState, family: Family, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._host = host
        self._state = state
        self._family = family
        self._sleep = sleep

    def made(self, handler: str) -> str:
        """See what a distribution has made of the template or the drop-in that was edited.

        It is the distribution that expands it, at its start: nobody else can tell what it comes to.
        """
        daemon = self._look().running_daemon
        runtime = self._family.runtime(self._state.layout)
        path = runtime.program_of(daemon.effective.runtime(runtime.handler))
        if path != (runtime.program if handler else None):
            raise NodeprovError(
                f"{daemon.edited_path} was edited, and yet {daemon.config_path} "
                f"{'names no' if path is None else 'names a'} runtime {runtime.handler}",
                f"journalctl -u {daemon.unit} on the node",
                where=self._host.name,
            )
        return f"{daemon.config_path} {'names the shim' if path else 'has no table of nodeprov'}"

    def sandbox(self, generation: str) -> str:
        """Run a sandbox through a generation's folder; return the kernel it saw."""
        return self._family.run_sandbox(self._host, self._state, generation)

    def in_use(self) -> tuple[str, ...]:
        """Name what still needs our files: processes, and bundles of stopped containers."""
        return self._look().footprint.in_use

    def wait_until_unused(self, timeout_seconds: float) -> None:
        """Wait until nothing needs our files; raise NodeprovError, naming what does, if that takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while needing := self.in_use():
            if time.monotonic() > deadline:
                raise NodeprovError(f"still needed by {needing[0]}", "", where=self._host.name)
            self._sleep(POLL_SECONDS)

    def unused(self) -> str:
        """See that nothing needs our files; raise NodeprovError, naming what does."""
        if needing := self.in_use():
            raise NodeprovError(
                f"a sandbox still uses what this run would remove: {needing[0]}",
                "delete its pod, or uninstall with --drain",
                where=self._host.name,
            )
        return "nothing names our files"

    def write_record(self, swap: Swap) -> None:
        """Write down what the daemon has read that a swap has started, unless it was edited after that."""
        daemon = self._look().running_daemon
        if not is_what_was_read(daemon, swap.changes):
            return
        record: dict[str, Any] = {**daemon.identity.as_json(), "dump": daemon.dump}
        path = f"{self._state.settings.paths.state}/daemon.json"
        self._host.write_file(path, FileState(json.dumps(record).encode(), 0o600))

    def _look(self) -> Facts:
        return gather(self._host, self._state.settings, self._state.layout)
