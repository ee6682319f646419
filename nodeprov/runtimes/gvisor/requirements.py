"""What gVisor needs of a node, and what an operator should know of one though an install does not refuse it."""

import tomllib
from collections.abc import Iterator
from typing import Any

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node import cgroups
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.state import Machine
from nodeprov.runtimes.gvisor import compatibility
from nodeprov.runtimes.gvisor.shim import SHIM

ARCHITECTURES = ("x86_64", "aarch64")
OLDEST_KERNEL = (5, 6)
ADDRESS_BITS = 48
FALSE = ("0", "f", "F", "false", "FALSE", "False")
"""What Go's strconv.ParseBool takes for false."""
RELEASES = "there is no folder of that architecture below the releases (gvisor#12167)"
MEMFD_REFUSED = 2
LEAST_USER_NAMESPACES, ENOUGH_USER_NAMESPACES = 2, 256
LEAST_MAPS = 65530
"""Linux's default of vm.max_map_count."""
LEAST_PIDS, ENOUGH_PIDS = 32, 1024
"""A sandbox did not start with 16 threads, and did with 32 (github.com/assembledhq/143/pull/360)."""
ATTACH_ADMINS, ATTACH_NOBODY = 2, 3
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
    yield from _namespaces(machine)
    if machine.has_seccomp is False:
        yield Problem(
            "the kernel has no seccomp",
            "boot a kernel with CONFIG_SECCOMP_FILTER=y",
            "the sentry gives up what it does not need by seccomp, and systrap catches system calls by it "
            "(gvisor.dev/docs/architecture_guide/platforms)",
        )
    if machine.sysctls.get("vm.memfd_noexec", 0) >= MEMFD_REFUSED:
        yield Problem(
            f"vm.memfd_noexec is {machine.sysctls['vm.memfd_noexec']}: the kernel refuses the memory of a sandbox",
            "sysctl vm.memfd_noexec=1, and set it in /etc/sysctl.d",
            "a sandbox's memory is a file of memfd_create without MFD_NOEXEC_SEAL (gVisor: pkg/memutil; "
            "docs.kernel.org/userspace-api/mfd_noexec.html)",
        )


def _namespaces(machine: Machine) -> Iterator[Problem]:
    """See that a sandbox gets its namespaces; gVisor refuses fewer than two of users (runsc/hostsettings)."""
    if machine.user_namespaces == 0:
        yield Problem(
            "user namespaces are forbidden (gvisor#8578)",
            "sysctl user.max_user_namespaces=10000",
            "runsc puts each sandbox into a user namespace of its own, and starts none without (gvisor#8578)",
        )
    elif machine.user_namespaces is not None and machine.user_namespaces < LEAST_USER_NAMESPACES:
        yield Problem(
            f"user.max_user_namespaces is {machine.user_namespaces}: a sandbox needs {LEAST_USER_NAMESPACES}",
            "sysctl user.max_user_namespaces=10000",
            "one is the sandbox's, one its gofer's; runsc refuses to start with less (gVisor: runsc/hostsettings)",
        )
    for kind in ("mnt", "pid", "ipc", "uts", "net"):
        name = f"user.max_{kind}_namespaces"
        if machine.sysctls.get(name) == 0:
            yield Problem(
                f"{name} is 0: no sandbox can have a namespace of its own",
                f"sysctl {name}=10000, and in /etc/sysctl.d",
                "runsc puts each sandbox into namespaces of its own (gVisor: runsc/sandbox/sandbox.go)",
            )


def platform(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that the platform that is wanted can work here."""
    if settings.runtime.platform == "kvm" and machine.has_kvm is False:
        yield Problem(
            "[runtime] platform is kvm, and there is no /dev/kvm",
            "modprobe kvm_intel or kvm_amd on a machine of its own; in a virtual machine set platform = systrap",
            "runsc ends when it cannot open the device (gvisor.dev/docs/architecture_guide/platforms)",
        )
    if settings.runtime.platform != "kvm":
        yield from _tracing(machine, settings)


def _tracing(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that the sentry may trace its own threads, which systrap and ptrace do."""
    scope = machine.sysctls.get("kernel.yama.ptrace_scope", 0)
    if scope >= ATTACH_NOBODY:
        yield Problem(
            f"kernel.yama.ptrace_scope is {scope}: no process may trace another (gvisor#10495)",
            "set it to 1 in /etc/sysctl.d, and reboot: a kernel that runs does not lower it; or set [runtime] "
            "platform = kvm where there is /dev/kvm",
            f"{settings.runtime.platform} attaches to the threads of a sandbox by ptrace (gvisor#10495)",
        )
    elif scope == ATTACH_ADMINS and settings.runtime.flags.get("directfs") in FALSE:
        yield Problem(
            "kernel.yama.ptrace_scope is 2, and [runtime.flags] directfs is false: the sentry has no "
            "CAP_SYS_PTRACE then (gvisor#9006)",
            "leave directfs out of [runtime.flags]; or sysctl kernel.yama.ptrace_scope=1, and in /etc/sysctl.d",
            f"{settings.runtime.platform} attaches to the threads of a sandbox by ptrace (gvisor#9006, #11091)",
        )


def pids(machine: Machine) -> Iterator[Problem]:
    """See that a pod gets as many threads as a sandbox needs to start."""
    for limit in _pids_limits(machine):
        if limit < LEAST_PIDS:
            yield Problem(
                f"kubelet's podPidsLimit is {limit}: no sandbox starts with so few threads",
                "set podPidsLimit to 1024 or more in kubelet's configuration, or leave it out",
                "the sentry, its gofer and the threads of the platform count as the pod's (gvisor#3942, #2490)",
            )


def _pids_limits(machine: Machine) -> list[int]:
    return [limit for each in machine.kubelets if (limit := each.pod_pids_limit or 0) > 0]


def configuration(daemon: Daemon, handler: str) -> Iterator[Problem]:
    """Find what of containerd's configuration blocks gVisor. Iterating raises Refused if that is not TOML."""
    yield from selinux(daemon)
    yield from handler_works(daemon, handler)


def handler_works(daemon: Daemon, handler: str) -> Iterator[Problem]:
    """See that nobody has added to the handler's table what gVisor's shim cannot do."""
    table = daemon.effective.runtimes.get(handler, {})
    for key, good, why in (
        ("sandboxer", ("podsandbox",), "gVisor's shim answers containerd's sandbox API with `not implemented`"),
        ("io_type", ("fifo",), "gVisor's shim opens named pipes only"),
    ):
        if (value := table.get(key)) not in (None, "", *good):
            yield Problem(
                f"the table of {handler} has {key} = {value!r}, with which no gVisor pod starts",
                f"take {key} out of it in {daemon.edited_path}",
                f"{why} (gVisor: pkg/shim/v1)",
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


CGROUP_V2 = 2
SYSTEMD_OF_CGROUP_V2 = 244


def warnings(machine: Machine) -> Iterator[Problem]:
    """Find what lets a sandbox start, and troubles the ones that come later."""
    if LEAST_USER_NAMESPACES <= (machine.user_namespaces or 0) < ENOUGH_USER_NAMESPACES:
        yield Problem(
            f"user.max_user_namespaces is {machine.user_namespaces}: each sandbox takes two",
            "sysctl user.max_user_namespaces=10000, and in /etc/sysctl.d",
            "one sandbox too many does not start (gVisor: runsc/hostsettings)",
        )
    if machine.sysctls.get("vm.max_map_count", LEAST_MAPS) < LEAST_MAPS:
        yield Problem(
            f"vm.max_map_count is {machine.sysctls['vm.max_map_count']}, less than Linux has by default",
            "sysctl vm.max_map_count=4194304, and in /etc/sysctl.d",
            "the sentry maps the memory of all processes of a pod; gVisor recommends 4194304 (gVisor: "
            "runsc/hostsettings)",
        )
    for limit in _pids_limits(machine):
        if LEAST_PIDS <= limit < ENOUGH_PIDS:
            yield Problem(
                f"kubelet's podPidsLimit is {limit}: a sandbox has more threads than its pod has processes",
                "set podPidsLimit to 1024 or more in kubelet's configuration",
                "a sentry that gets no thread any more ends, and the pod with it (gvisor#3942, #2490)",
            )
    if machine.has_swap and machine.cgroup_version == CGROUP_V2:
        yield Problem(
            "the node has swap: the memory of gVisor pods may go there, whatever swapBehavior says",
            "swapoff -a; or MemorySwapMax=0 for kubepods.slice",
            "runsc does not hand on memory.swap.max when it joins the pod's cgroup (gvisor#13267, #13777)",
        )


def advice_of_machine(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """Find what else of the machine may trouble gVisor later."""
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


def advice_of_config(text: str, machine: Machine, daemon: Daemon, node: str) -> Iterator[Problem]:
    """See that runsc drives cgroups as kubelet does."""
    by_systemd = cgroups.by_systemd(machine, daemon)
    if (flags_of(text).get("systemd-cgroup") == "true") != by_systemd:
        yield Problem(
            f'runsc.toml {"lacks" if by_systemd else "has"} systemd-cgroup = "true", and pods\' cgroups are '
            f"driven by {cgroups.named_driver(systemd=by_systemd)}",
            f"nodeprov install {node}",
            "without it limits are silently not enforced (gvisor#10371), with it where it does not belong pods "
            "fail (gvisor#13258)",
        )


def flags_of(text: str) -> dict[str, Any]:
    """Read the flags of a runsc.toml, also of one that the shim would refuse."""
    try:
        flags = tomllib.loads(text).get("runsc_config", {})
    except (ValueError, RecursionError):
        return {}
    return flags if isinstance(flags, dict) else {}
