"""What gVisor needs of a node: facts and settings in, problems out."""

from __future__ import annotations

from collections.abc import Sequence

from nodeprov import compatibility, containerd
from nodeprov.containerd import Runtime, effective
from nodeprov.distributions import editing
from nodeprov.errors import NodeprovError, Problem
from nodeprov.facts import Daemon, Facts, dotted
from nodeprov.gvisor import DROPIN, former_runtimes, layout, own_config, tree_bytes
from nodeprov.inventory import Settings
from nodeprov.releases import Release

ARCHITECTURES = ("x86_64", "aarch64")
OLDEST_KERNEL = (5, 6)
MARGIN_BYTES = 256 << 20
ADDRESS_BITS = 48
RELEASES = "there is no folder of that architecture below the releases (gvisor#12167)"
KERNEL = "runsc uses system calls that older kernels do not have (gvisor.dev/docs/user_guide/faq)"
EDIT = "an edit that is not sure to mean what it should is not made"
NONE_NEEDED = ', or to "" for no link: no pod needs it'
PLACES = {
    "prefix": "runsc and its shim are executed from there",
    "state": "receipts are kept there, by which an uninstall knows what was before",
    "bin": "a link to runsc is made there, for people",
}
MOUNT_OPTIONS = (
    ("noexec", "nothing there can be executed", "executed"),
    ("ro", "nothing there can be written", "written"),
)


def check(facts: Facts, settings: Settings, release: Release | None = None) -> tuple[Problem, ...]:
    """Find all the reasons not to begin, before anything is touched."""
    found = [
        *_machine_problems(facts),
        *_platform_problems(facts, settings),
        *_place_problems(facts, settings, release),
        *_daemon_problems(facts, release.version if release else settings.release.version),
    ]
    if facts.daemon:
        found += _source_problems(facts, facts.daemon)
        found += _config_problems(facts.daemon, layout(settings).runtime, former_runtimes(facts, settings))
        found += _style_problems(facts.daemon, settings)
    found += _foreign_problems(facts, settings)
    return tuple(found)


def _machine_problems(facts: Facts) -> list[Problem]:
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


def _platform_problems(facts: Facts, settings: Settings) -> list[Problem]:
    if settings.runtime.platform != "kvm" or facts.has_kvm is not False:
        return []
    return [
        Problem(
            "[runtime] platform is kvm, and there is no /dev/kvm",
            "modprobe kvm_intel or kvm_amd on a machine of its own; in a virtual machine set platform = systrap",
            "runsc ends when it cannot open the device (gvisor.dev/docs/architecture_guide/platforms)",
        )
    ]


def _place_problems(facts: Facts, settings: Settings, release: Release | None) -> list[Problem]:
    paths = settings.paths
    found = [
        Problem(
            f"{path} lies on {mount.path}, mounted {option}: {meaning}",
            f"set [paths] {name} to a folder that can be {wanted}{NONE_NEEDED if name == 'bin' else ''}",
            PLACES[name],
        )
        for name, path in (("prefix", paths.prefix), ("state", paths.state), ("bin", paths.bin))
        for option, meaning, wanted in MOUNT_OPTIONS
        if path and (option == "ro" or name == "prefix")
        for mount in [facts.mount_of(path)]
        if mount and option in mount.options
    ]
    if release is not None and f"{layout(settings).releases}/{release.name}" not in facts.releases:
        needed = tree_bytes(release) + MARGIN_BYTES
        if facts.free_bytes < needed:
            found.append(
                Problem(
                    f"{facts.free_at} has {facts.free_bytes >> 20} MiB free, {needed >> 20} MiB are needed",
                    "free space there, or set [paths] prefix to a larger file system",
                    "a release is unpacked beside the one that runs, which stays until no sandbox needs it",
                )
            )
    return found


def _daemon_problems(facts: Facts, release: str) -> list[Problem]:
    daemon = facts.daemon
    if daemon is None and facts.choice.problem:
        return [facts.choice.problem]
    if daemon is None:
        return [
            Problem(
                f"containerd does not run (unit: {facts.unit_state})",
                "systemctl status containerd; if it has another unit, set [containerd] unit",
                "what a containerd has loaded can be told only while it runs",
            )
        ]
    found = []
    if not daemon.unit:
        found.append(
            Problem(
                f"containerd (process {daemon.identity.pid}) was not started by a systemd service: "
                "nothing here knows how to restart it",
                "run it as a service, or set [containerd] unit to the one that starts it",
                "containerd reads its configuration at its start only",
            )
        )
    found += _compatibility_problems(daemon, release)
    if daemon.cri_errors:
        found.append(
            Problem(
                "containerd's CRI plugin does not work now: " + "; ".join(daemon.cri_errors),
                f"{daemon.ctr} plugins ls -d; mend it first, so that a later failure has one cause",
                "kubelet runs pods through that plugin only; `ctr version` answers without it",
            )
        )
    if daemon.kill_mode not in ("process", "none", ""):
        found.append(
            Problem(
                f"{daemon.unit} has KillMode={daemon.kill_mode}: a restart would end the node's pods",
                f"set KillMode=process in {daemon.unit}",
                "systemd would kill the shims with the daemon (kubernetes#111776)",
            )
        )
    if not daemon.dump:
        found.append(
            Problem(
                f"`{daemon.binary} -c {daemon.config_path} config dump` prints nothing",
                "run it on the node and mend what it complains of",
                "what the configuration comes to, imports included, only that command tells",
            )
        )
    return found


def _compatibility_problems(daemon: Daemon, release: str) -> list[Problem]:
    for version, which in ((daemon.version, "running"), (daemon.disk_version, "on disk")):
        known = compatibility.row(version, release) if version else None
        if known and known.reason:
            said = f"containerd {dotted(version)} ({which}) is too old for gVisor {release}: {known.reason}"
            return [Problem(said, known.way_out, known.source)]
    return []


def _config_problems(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> list[Problem]:
    found = []
    if daemon.config_target and daemon.source is None:
        found.append(
            Problem(
                f"{daemon.config_path} is a link to {daemon.config_target}: whoever keeps that file elsewhere "
                "would share the edit, or take it back",
                f'if it is this containerd\'s alone: set [containerd] config = "{daemon.config_target}"',
                "a rename would put a file in the place of the link, and others would not see it",
            )
        )
    if daemon.dump and effective.selinux_enabled(daemon.dump):
        found.append(
            Problem(
                "containerd has enable_selinux = true, with which every gVisor pod fails (gvisor#8747)",
                f"set it to false in {daemon.config_path} on nodes that run gVisor",
                "the labels that containerd then asks for cannot be set in a sandbox (gvisor#8747)",
            )
        )
    missing = effective.missing_default_runtime(daemon.dump) if daemon.dump else None
    if missing is not None:
        found.append(
            Problem(
                f"default_runtime_name is {missing!r}, which no runtime is named: after its next restart "
                "containerd would answer, and run no pod",
                f"mend default_runtime_name in {daemon.config_path} or in what it imports",
                "the CRI plugin does not start without its default runtime",
            )
        )
    table = effective.effective_runtime(daemon.dump, runtime.handler) if daemon.dump else None
    if table is not None and table.get("runtime_path") not in [each.runtime_path for each in (runtime, *former)]:
        found.append(
            Problem(
                f"a runtime handler {runtime.handler!r} is there that nodeprov did not write "
                f"(runtime_path = {table.get('runtime_path') or 'unset'!r})",
                "remove it, or set [runtime] handler to another name",
                "its pods would get another runtime, and an uninstall would take somebody else's table",
            )
        )
    else:
        found += _edit_problems(daemon, runtime, former)
    return found


def _style_problems(daemon: Daemon, settings: Settings) -> list[Problem]:
    if settings.containerd.config_style != DROPIN:
        return []
    otherwise = f'leave [containerd] config_style = "{DROPIN}" out'
    if daemon.source is not None:
        return [Problem(f"{daemon.distribution.name} makes {daemon.config_path} itself", otherwise, EDIT)]
    if daemon.disk_version and daemon.disk_version < (2, 0, 0):
        return [
            Problem(
                "a drop-in would take the place of the CRI plugin's whole section on containerd 1.x",
                otherwise,
                "1.x does not merge what is imported (containerd#5837)",
            )
        ]
    if own_config(daemon, layout(settings).runtime) is None:
        return [
            Problem(
                f"{daemon.config_path} imports no folder of *.toml files for a file of its own",
                f'add imports = ["/etc/containerd/conf.d/*.toml"] to it, or {otherwise}',
                "containerd reads no file that nothing imports",
            )
        ]
    return []


def _source_problems(facts: Facts, daemon: Daemon) -> list[Problem]:
    """See that what is edited can be written: a template may lead into a store that is read-only, as in NixOS."""
    mount = facts.mount_of(daemon.source.leads_to if daemon.source else daemon.edited_path)
    if mount is None or "ro" not in mount.options:
        return []
    where = daemon.source.leads_to if daemon.source else daemon.edited_path
    return [
        Problem(
            f"{daemon.edited_path} lies on {mount.path} ({where}), mounted ro: it cannot be edited",
            "have what writes it declare the runtime, or let it lie where it can be written",
            "the runtime is known to containerd by its configuration only",
        )
    ]


def _edit_problems(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> list[Problem]:
    """Make the edit, for nobody: what stands against it is found before anything is touched."""
    try:
        if daemon.source is not None:
            editing.added(daemon.source, daemon.edited, runtime, former)
        elif daemon.config is not None:
            version = daemon.disk_version or daemon.version
            text = containerd.begun(containerd.decode(daemon.config.content), dotted(version))
            containerd.add_runtime(text, runtime, former)
            unread = containerd.unread(text, dotted(version)) if version else ()
            return [Problem(f"{daemon.config_path} {each.message}", each.hint, EDIT) for each in unread]
    except NodeprovError as error:
        return [Problem(f"{daemon.edited_path}: {error.message}", error.hint, EDIT)]
    return []


def _foreign_problems(facts: Facts, settings: Settings) -> list[Problem]:
    path = f"{settings.paths.bin}/runsc"
    target = facts.links.get(path, "") if settings.paths.bin else ""
    if not target or target.startswith(tuple(f"{prefix}/" for prefix in facts.prefixes)):
        return []
    what = "is a file" if target == "(no link)" else f"leads to {target}"
    return [
        Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" if people should keep that one',
            "people would run one release, and pods another",
        )
    ]
