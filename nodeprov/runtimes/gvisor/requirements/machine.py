"""What gVisor needs of the machine: its kernel, its processor, its system."""

from __future__ import annotations

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.facts import Facts

ARCHITECTURES = ("x86_64", "aarch64")
OLDEST_KERNEL = (5, 6)
ADDRESS_BITS = 48
RELEASES = "there is no folder of that architecture below the releases (gvisor#12167)"
KERNEL = "runsc uses system calls that older kernels do not have (gvisor.dev/docs/user_guide/faq)"


def of_machine(facts: Facts) -> list[Problem]:
    """Find what of the machine stands against gVisor, or against a restart."""
    found = []
    if facts.uid != 0:
        found.append(
            Problem(
                "the commands do not run as root",
                "let the user use sudo, or log in as root",
                "files below /opt and /etc, and the restart of a service, are root's",
            )
        )
    if facts.architecture not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        found.append(Problem(f"gVisor is not published for {facts.architecture}", f"it is for {known}", RELEASES))
    kernel = tuple(int(part) for part in facts.kernel.split("-")[0].split(".")[:2] if part.isdigit())
    if kernel < OLDEST_KERNEL:
        found.append(
            Problem(f"kernel {facts.kernel} is too old for gVisor", "update to Linux 5.6 or later", KERNEL)
        )
    if facts.architecture == "aarch64" and facts.page_size not in (None, 4096):
        found.append(
            Problem(
                f"the kernel's pages are {facts.page_size} bytes, gVisor needs 4096 (gvisor#9613)",
                "boot a kernel with 4 KiB pages",
                "the sentry lays out memory in pages of 4 KiB (gvisor#9613)",
            )
        )
    if facts.architecture == "aarch64" and (facts.address_bits or ADDRESS_BITS) < ADDRESS_BITS:
        found.append(
            Problem(
                f"the kernel's addresses have {facts.address_bits} bits, gVisor needs {ADDRESS_BITS}",
                "boot a kernel built with CONFIG_ARM64_VA_BITS_48=y",
                "the sentry maps a sandbox's memory at addresses that a smaller space does not have (gvisor#8196)",
            )
        )
    if facts.user_namespaces == 0:
        found.append(
            Problem(
                "user namespaces are forbidden (gvisor#8578)",
                "sysctl user.max_user_namespaces=10000",
                "runsc puts each sandbox into a user namespace of its own, and starts none without (gvisor#8578)",
            )
        )
    if facts.systemd_version is None:
        found.append(
            Problem(
                "systemd does not run on this node",
                "this version restarts containerd by systemd only",
                "containerd reads its configuration at its start only",
            )
        )
    return found


def of_platform(facts: Facts, settings: Settings) -> list[Problem]:
    """See that the platform that is wanted can work here."""
    if settings.runtime.platform != "kvm" or facts.has_kvm is not False:
        return []
    return [
        Problem(
            "[runtime] platform is kvm, and there is no /dev/kvm",
            "modprobe kvm_intel or kvm_amd on a machine of its own; in a virtual machine set platform = systrap",
            "runsc ends when it cannot open the device (gvisor.dev/docs/architecture_guide/platforms)",
        )
    ]
