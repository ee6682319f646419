"""What gVisor needs of a node, and what an operator should know of one though an install does not refuse it."""

import tomllib
from collections.abc import Iterator
from typing import Any

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.state import Machine
from nodeprov.runtimes.gvisor import compatibility
from nodeprov.runtimes.gvisor.shim import SHIM

ARCHITECTURES = ("x86_64", "aarch64")
OLDEST_KERNEL = (5, 6)
ADDRESS_BITS = 48
RELEASES = "there is no folder of that architecture below the releases (gvisor#12167)"
KERNEL = "runsc uses system calls that older kernels do not have (gvisor.dev/docs/user_guide/faq)"


def kernel(machine: Machine) -> Iterator[Problem]:
    """Find what of the kernel and the processor blocks gVisor."""
    if machine.architecture not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        yield Problem(f"gVisor is not published for {machine.architecture}", f"it is for {known}", RELEASES)
    version = tuple(int(part) for part in machine.kernel.split("-")[0].split(".")[:2] if part.isdigit())
    if version < OLDEST_KERNEL:
        yield Problem(f"kernel {machine.kernel} is too old for gVisor", "update to Linux 5.6 or later", KERNEL)
    is_arm = machine.architecture == "aarch64"
    if is_arm and machine.page_size not in (None, 4096):
        yield Problem(
            f"the kernel's pages are {machine.page_size} bytes, gVisor needs 4096 (gvisor#9613)",
            "boot a kernel with 4 KiB pages",
            "the sentry lays out memory in pages of 4 KiB (gvisor#9613)",
        )
    if is_arm and (machine.address_bits or ADDRESS_BITS) < ADDRESS_BITS:
        yield Problem(
            f"the kernel's addresses have {machine.address_bits} bits, gVisor needs {ADDRESS_BITS}",
            "boot a kernel built with CONFIG_ARM64_VA_BITS_48=y",
            "the sentry maps a sandbox's memory at addresses that a smaller space does not have (gvisor#8196)",
        )
    if machine.user_namespaces == 0:
        yield Problem(
            "user namespaces are forbidden (gvisor#8578)",
            "sysctl user.max_user_namespaces=10000",
            "runsc puts each sandbox into a user namespace of its own, and starts none without (gvisor#8578)",
        )


def platform(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that the platform that is wanted can work here."""
    if settings.runtime.platform == "kvm" and machine.has_kvm is False:
        yield Problem(
            "[runtime] platform is kvm, and there is no /dev/kvm",
            "modprobe kvm_intel or kvm_amd on a machine of its own; in a virtual machine set platform = systrap",
            "runsc ends when it cannot open the device (gvisor.dev/docs/architecture_guide/platforms)",
        )


def compatible(daemon: Daemon, release: str) -> Iterator[Problem]:
    """See that this release works with the containerd that runs, and with the one that a restart would start."""
    for version, which in ((daemon.version, "running"), (daemon.disk_version, "on disk")):
        known = compatibility.row(version, release) if version else None
        if known and known.reason:
            said = f"containerd {version_text(version)} ({which}) is too old for gVisor {release}: {known.reason}"
            yield Problem(said, known.way_out, known.source)
            return


def selinux(daemon: Daemon) -> Iterator[Problem]:
    """See that containerd asks for no label that cannot be set in a sandbox."""
    if daemon.effective.enables_selinux:
        yield Problem(
            "containerd has enable_selinux = true, with which every gVisor pod fails (gvisor#8747)",
            f"set it to false in {daemon.config_path} on nodes that run gVisor",
            "the labels that containerd then asks for cannot be set in a sandbox (gvisor#8747)",
        )


SYSTEMD_OF_CGROUP_V2 = 244


def advice_of_machine(machine: Machine, settings: Settings) -> Iterator[Problem]:
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


def advice_of_config(text: str, daemon: Daemon, node: str) -> Iterator[Problem]:
    """See that runsc drives cgroups as containerd's default runtime does."""
    by_systemd = daemon.effective.systemd_cgroup
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
