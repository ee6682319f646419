"""gVisor's shim: what runsc.toml sets for it, and a sandbox that is run through it by ctr."""

import posixpath
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.errors import CommandFailed, NodeprovError
from nodeprov.hosts.base import Host, Output, Script, plain
from nodeprov.inventory import Settings
from nodeprov.node import cgroups
from nodeprov.node.daemon import Daemon
from nodeprov.node.state import Machine, NodeState
from nodeprov.plan.files import FileAt
from nodeprov.runtimes.family import CLEANUP_SECONDS, SANDBOX_TIMEOUT_SECONDS
from nodeprov.templates import render
from nodeprov.workloads.explain import hint

NAME = "runsc.toml"
MAKE_ANEW = "run nodeprov install: it writes it anew"


@dataclass(frozen=True, slots=True)
class ShimOptions:
    """What runsc.toml sets for the shim."""

    binary: str
    flags: Mapping[str, str]

    @property
    def text(self) -> str:
        """Write it."""
        return render("gvisor/runsc.toml.j2", binary=self.binary, flags=self.flags)


def parse_shim_options(text: str, path: str) -> ShimOptions:
    """Read runsc.toml as the shim does (gvisor: pkg/shim/v1/runsc/container.go, options.go).

    Raises NodeprovError where the shim would fail, or would silently fall back to PATH's runsc.
    """
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeprovError(f"{path} is not TOML: {error}", MAKE_ANEW) from None
    binary, flags = value.get("binary_name"), value.get("runsc_config", {})
    if not isinstance(binary, str) or not posixpath.isabs(binary):
        raise NodeprovError(
            f"{path} has no absolute binary_name: the shim would take the runsc it finds on PATH", MAKE_ANEW
        )
    if not isinstance(flags, dict) or not all(isinstance(flag, str) for flag in flags.values()):
        raise NodeprovError(f"{path}: every value of [runsc_config] must be a string", "run nodeprov install")
    return ShimOptions(binary, flags)


def runsc_flags(machine: Machine, daemon: Daemon, settings: Settings) -> dict[str, str]:
    """Derive runsc's flags.

    systemd-cgroup follows kubelet's cgroup driver: without it on a node that is driven by systemd limits are
    silently not enforced (gvisor#10371), with it on another pods fail (gvisor#13258).
    """
    flags = {"platform": settings.runtime.platform, **settings.runtime.flags}
    if cgroups.by_systemd(machine, daemon):
        flags["systemd-cgroup"] = "true"
    return dict(sorted(flags.items()))


KERNEL_EXAMPLE = b"Linux version 4.19.0-gvisor #1 SMP Sun Jan 10 15:06:54 PST 2016\n"
OWN_WORDS = ("Starting gVisor", "-gvisor ", "#1 SMP Sun Jan 10 15:06:54 PST 2016")
"""What gVisor's kernel prints of itself: in its log, in its version, and in the version of every release so far.

The log may be forbidden (oci-seccomp), and releases before 2026 called themselves 4.4.0.
"""


def kernel_line(said: str) -> str:
    """Return the line of a kernel's log or /proc/version that only gVisor's kernel prints; "" if there is none."""
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
            hint(output.said, f"journalctl -u {state.daemon.unit} on the node", node=host.name),
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
