"""What an operator who installs gVisor should know of a node, and an install does not refuse."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from nodeprov.containerd import Refused
from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.machine import Machine
from nodeprov.runtimes.gvisor.sandbox import SHIM

SYSTEMD_OF_CGROUP_V2 = 244


def of_machine(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """Find what of the machine may trouble gVisor later."""
    systemd = machine.systemd_version
    if machine.cgroup_version == 2 and systemd is not None and systemd < SYSTEMD_OF_CGROUP_V2:
        yield Problem(
            f"systemd {systemd} with cgroup v2",
            f"update systemd to {SYSTEMD_OF_CGROUP_V2} or later",
            "an older one does not hand on every limit, so sandboxes could take more than they may (gvisor#10371)",
        )
    if machine.selinux_enforcing:
        prefix = settings.paths.prefix
        yield Problem(
            "SELinux enforces its policy",
            f"ausearch -m avc -c runsc; if it shows denials: semanage fcontext -a -t container_runtime_exec_t "
            f"'{prefix}/releases/[^/]*/(runsc|{SHIM})' && restorecon -R {prefix}",
            "a shim that is labelled as a plain file may be forbidden what runc's may do (gvisor#8747)",
        )


def of_config(text: str, daemon: Daemon, node: str) -> Iterator[Problem]:
    """See that runsc drives cgroups as containerd's default runtime does."""
    try:
        by_systemd = daemon.effective.systemd_cgroup
    except Refused:
        return  # an install says so
    if (_flags(text).get("systemd-cgroup") == "true") != by_systemd:
        yield Problem(
            f'runsc.toml {"lacks" if by_systemd else "has"} systemd-cgroup = "true", and the default runtime of '
            f"containerd drives cgroups by {'systemd' if by_systemd else 'cgroupfs'}",
            f"nodeprov install {node}",
            "without it limits are silently not enforced (gvisor#10371), with it where it does not belong pods "
            "fail (gvisor#13258)",
        )


def _flags(text: str) -> dict[str, Any]:
    """Read the flags of a runsc.toml, also of one that the shim would refuse."""
    try:
        flags = tomllib.loads(text).get("runsc_config", {})
    except (ValueError, RecursionError):
        return {}
    return flags if isinstance(flags, dict) else {}
