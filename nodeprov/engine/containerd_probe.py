"""The node's containerd as something that must prove what it runs, and of which a record is kept."""

from __future__ import annotations

import json
import posixpath
import secrets
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import CommandFailed, NodeprovError
from nodeprov.hosts.base import Host, Output, Script
from nodeprov.hosts.script import rendered
from nodeprov.node.facts import gather
from nodeprov.node.loaded_config import is_what_was_read
from nodeprov.node.state import NodeState
from nodeprov.plan.resources.file import FileAt
from nodeprov.plan.steps import Swap
from nodeprov.runtimes.gvisor.kernel import gvisors_word
from nodeprov.runtimes.gvisor.layout import SHIM, layout
from nodeprov.states import FileState

SANDBOX_TIMEOUT_SECONDS = 60
CLEANUP_SECONDS = 10
"""What each call of ctr gets that takes a sandbox away again."""
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ShimOptions:
    """What runsc.toml tells the shim."""

    binary: str
    flags: Mapping[str, str]


def parse_shim_options(text: str, path: str) -> ShimOptions:
    """Read runsc.toml as the shim does (gvisor: pkg/shim/v1/runsc/container.go, options.go).

    Raises NodeprovError where the shim would fail, or would silently fall back to PATH's runsc.
    """
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeprovError(f"{path} is not TOML: {error}", "run nodeprov install: it writes it anew") from None
    binary, flags = value.get("binary_name"), value.get("runsc_config", {})
    if not isinstance(binary, str) or not posixpath.isabs(binary):
        raise NodeprovError(
            f"{path} has no absolute binary_name: the shim would take the runsc it finds on PATH",
            "run nodeprov install: it writes it anew",
        )
    if not isinstance(flags, dict) or not all(isinstance(flag, str) for flag in flags.values()):
        raise NodeprovError(f"{path}: every value of [runsc_config] must be a string", "run nodeprov install")
    return ShimOptions(binary, flags)


class Containerd:
    """The containerd of one node: proofs, and what it has loaded."""

    def __init__(self, host: Host, state: NodeState, sleep: Callable[[float], None] = time.sleep) -> None:
        self._host = host
        self._sleep = sleep
        self._daemon = state.daemon
        self._settings = state.settings
        self._former_prefixes = state.footprint.prefixes[1:]

    def made(self, handler: str) -> str:
        """See what a distribution has made of the template or the drop-in that was edited.

        It is the distribution that expands it, at its start: nobody else can tell what it comes to.
        """
        daemon = gather(self._host, self._settings, self._former_prefixes).running_daemon
        runtime = layout(self._settings).runtime
        table = daemon.effective.runtime(runtime.handler)
        path = table.get("runtime_path") if table else None
        if path != (runtime.runtime_path if handler else None):
            raise NodeprovError(
                f"{daemon.edited_path} was edited, and yet {daemon.config_path} "
                f"{'names no' if path is None else 'names a'} runtime {runtime.handler}",
                f"journalctl -u {daemon.unit} on the node",
                where=self._host.name,
            )
        return f"{daemon.config_path} {'names the shim' if path else 'has no table of ours'}"

    def sandbox(self, generation: str) -> str:
        """Run a sandbox through a generation's shim and runsc.toml; return the kernel it saw."""
        path = f"{generation}/runsc.toml"
        state = self._host.ask([FileAt(path)])[0]
        if state is None:
            raise NodeprovError(f"{path} is missing", "run nodeprov install", where=self._host.name)
        options = parse_shim_options(state.content.decode(errors="replace"), path)
        script = self._sandbox_script(f"{generation}/{SHIM}", options)
        output = self._host.run(script, timeout_seconds=SANDBOX_TIMEOUT_SECONDS + 8 * CLEANUP_SECONDS)
        kernel = next((line for line in output.text.splitlines() if line.startswith("Linux version")), "")
        # The exit status is no judge: a command that ends within milliseconds is reported as 128.
        if not gvisors_word(kernel):
            raise CommandFailed(
                f"no sandbox runs through {generation}: {output.said or kernel or 'nothing was said'}",
                f"journalctl -u {self._daemon.unit} on the node",
                where=self._host.name,
                returncode=output.returncode,
                stderr=output.said,
            )
        return kernel.split(" (")[0]

    def _sandbox_script(self, shim: str, options: ShimOptions) -> Script[Output]:
        return rendered(
            "gvisor/prove-sandbox.sh.j2",
            id=f"nodeprov-proof-{secrets.token_hex(4)}",
            prefix=self._settings.paths.prefix,
            state=self._settings.paths.state,
            ctr=self._daemon.ctr,
            socket=self._daemon.socket,
            shim=shim,
            runsc=options.binary,
            flags=options.flags,
            timeout_seconds=SANDBOX_TIMEOUT_SECONDS,
            cleanup_seconds=CLEANUP_SECONDS,
        )

    def in_use(self) -> tuple[str, ...]:
        """Name what still needs our files: processes, and bundles of stopped containers."""
        return gather(self._host, self._settings, self._former_prefixes).footprint.in_use

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
                f"a sandbox needs what is to be removed: {needing[0]}",
                "delete its pod, or uninstall with --drain",
                where=self._host.name,
            )
        return "nothing names our files"

    def write_record(self, swap: Swap) -> None:
        """Write down what the daemon has read that a swap has started, unless it was edited after that."""
        daemon = gather(self._host, self._settings).running_daemon
        if not is_what_was_read(daemon, swap.changes):
            return
        record: dict[str, Any] = {**daemon.identity.as_json(), "dump": daemon.dump}
        path = f"{self._settings.paths.state}/daemon.json"
        self._host.write_file(path, FileState(json.dumps(record).encode(), 0o600))
