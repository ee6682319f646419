"""How a node drives cgroups: what the kubelet that runs does, and whether containerd would do the same."""

from collections.abc import Iterator

from nodeprov.errors import Problem
from nodeprov.node.daemon import Daemon
from nodeprov.node.state import Machine

WHY = (
    "kubelet makes a pod's cgroup, and its containers are put below it by a name that the other driver does not "
    "understand (kubernetes.io/docs/setup/production-environment/container-runtimes)"
)


def by_systemd(machine: Machine, daemon: Daemon) -> bool:
    """Tell whether pods' cgroups are managed by systemd.

    What the kubelet that runs does counts, for it makes them. Where that does not show, it is what containerd
    says, which from 1.34 on kubelet asks it; then what kubelet was told; then what containerd 2 finds where no
    runtime tells it anything (internal/cri/server/runtime_config_linux.go, `getCgroupDriver`). Raises Refused.
    """
    if machine.cgroup_driver is not None:
        return machine.cgroup_driver == "systemd"
    if (said := daemon.effective.systemd_cgroup) is not None:
        return said
    if told := told_drivers(machine):
        return told == {"systemd"}
    return daemon.version >= (2, 0, 0) and machine.systemd_version is not None


def told_drivers(machine: Machine) -> set[str]:
    """Say what the node's kubelets were told; nothing where none was."""
    return {each.cgroup_driver for each in machine.kubelets if each.cgroup_driver}


def named_driver(*, systemd: bool) -> str:
    """Name a driver as kubelet does."""
    return "systemd" if systemd else "cgroupfs"


def whose(daemon: Daemon) -> str:
    """Name the runtime of containerd that says how cgroups are driven."""
    handler = daemon.effective.cgroup_handler
    return "default runtime" if handler == daemon.effective.default_runtime else f"runtime {handler}"


def disagreement(machine: Machine, daemon: Daemon) -> Iterator[Problem]:
    """See that containerd, after its restart, drives cgroups as the kubelet that runs does. Raises Refused."""
    used, systemd = machine.cgroup_driver, daemon.effective.systemd_cgroup
    if used is None or systemd is None or used == named_driver(systemd=systemd):
        return
    handler = daemon.effective.cgroup_handler
    yield Problem(
        f"the running kubelet manages cgroups by {used}, and containerd's {whose(daemon)} is set to "
        f"{named_driver(systemd=systemd)}: no pod would start",
        f"set SystemdCgroup = {'false' if systemd else 'true'} for {handler} in {daemon.edited_path}; or drain "
        f"the node, set cgroupDriver: {named_driver(systemd=systemd)} for kubelet, and restart it",
        WHY,
    )
