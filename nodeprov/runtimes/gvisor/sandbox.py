"""A sandbox of gVisor that is run by ctr, through a generation's own shim and flags, and its kernel."""

from __future__ import annotations

import secrets

from nodeprov.errors import CommandFailed, NodeprovError
from nodeprov.hosts.base import Host, Output, Script, plain
from nodeprov.node.state import NodeState
from nodeprov.plan.files import FileAt
from nodeprov.runtimes.family import CLEANUP_SECONDS, SANDBOX_TIMEOUT_SECONDS
from nodeprov.runtimes.gvisor.runsc_toml import NAME, ShimOptions, parse_shim_options
from nodeprov.templates import render

KERNEL_EXAMPLE = b"Linux version 4.19.0-gvisor #1 SMP Sun Jan 10 15:06:54 PST 2016\n"
OWN_WORDS = ("Starting gVisor", "-gvisor ", "#1 SMP Sun Jan 10 15:06:54 PST 2016")
"""What gVisor's kernel says of itself: in its log, in its version, and in the version of every release so far.

The log may be forbidden (oci-seccomp), and releases before 2026 called themselves 4.4.0.
"""


def kernel_line(said: str) -> str:
    """Return the line of a kernel's log or /proc/version that only gVisor's kernel says, or "" if it says none."""
    lines = [line for word in OWN_WORDS for line in said.splitlines() if word in line]
    return lines[0].partition("] ")[2] or lines[0] if lines else ""


SHIM = "containerd-shim-runsc-v1"


def run_sandbox(host: Host, state: NodeState, generation: str) -> str:
    """Run a sandbox through a generation's shim and runsc.toml; return the kernel it saw.

    Raises NodeprovError if none runs, or its kernel is not gVisor's.
    """
    path = f"{generation}/{NAME}"
    file = host.ask([FileAt(path)])[0]
    if file is None:
        raise NodeprovError(f"{path} is missing", "run nodeprov install", where=host.name)
    options = parse_shim_options(file.content.decode(errors="replace"), path)
    script = _script(state, f"{generation}/{SHIM}", options)
    output = host.run(script, timeout_seconds=SANDBOX_TIMEOUT_SECONDS + 8 * CLEANUP_SECONDS)
    version = next((line for line in output.text.splitlines() if line.startswith("Linux version")), "")
    # The exit status is no judge: a command that ends within milliseconds is reported as 128.
    if not kernel_line(version):
        raise CommandFailed(
            f"no sandbox runs through {generation}: {output.said or version or 'it printed nothing'}",
            f"journalctl -u {state.daemon.unit} on the node",
            where=host.name,
            returncode=output.returncode,
            stderr=output.said,
        )
    return version.split(" (")[0]


def _script(state: NodeState, shim: str, options: ShimOptions) -> Script[Output]:
    text = render(
        "gvisor/prove-sandbox.sh.j2",
        id=f"nodeprov-proof-{secrets.token_hex(4)}",
        prefix=state.layout.prefix,
        state=state.settings.paths.state,
        ctr=state.daemon.ctr,
        socket=state.daemon.socket,
        shim=shim,
        runsc=options.binary,
        flags=options.flags,
        timeout_seconds=SANDBOX_TIMEOUT_SECONDS,
        cleanup_seconds=CLEANUP_SECONDS,
    )
    return plain("prove-sandbox", text, when_well=KERNEL_EXAMPLE)
