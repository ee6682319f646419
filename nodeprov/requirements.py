"""What gVisor needs of a node: facts and settings in, problems out."""

from __future__ import annotations

from collections.abc import Sequence

from nodeprov import compatibility, containerd
from nodeprov.containerd import Runtime, effective
from nodeprov.errors import NodeprovError, Problem
from nodeprov.facts import Daemon, Facts, dotted
from nodeprov.gvisor import former_runtimes, layout, tree_bytes
from nodeprov.inventory import Settings
from nodeprov.releases import Release
from nodeprov.statements import dotted as dotted_path

ARCHITECTURES = ("x86_64", "aarch64")
OLDEST_KERNEL = (5, 6)
MARGIN_BYTES = 256 << 20
MOUNT_OPTIONS = (
    ("noexec", "nothing there can be executed", "executed"),
    ("ro", "nothing there can be written", "written"),
)


def check(facts: Facts, settings: Settings, release: Release | None = None) -> tuple[Problem, ...]:
    """Find all the reasons not to begin, before anything is touched."""
    found = [
        *_machine_problems(facts),
        *_place_problems(facts, settings, release),
        *_daemon_problems(facts, release.version if release else settings.release.version),
    ]
    if facts.daemon:
        found += _config_problems(facts.daemon, layout(settings).runtime, former_runtimes(facts, settings))
    found += _foreign_problems(facts, settings)
    return tuple(found)


def _machine_problems(facts: Facts) -> list[Problem]:
    found = []
    if facts.uid != 0:
        found.append(Problem("the commands do not run as root", "let the user use sudo, or log in as root"))
    if facts.architecture not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        found.append(Problem(f"gVisor is not published for {facts.architecture}", f"it is for {known}"))
    kernel = tuple(int(part) for part in facts.kernel.split("-")[0].split(".")[:2] if part.isdigit())
    if kernel < OLDEST_KERNEL:
        found.append(Problem(f"kernel {facts.kernel} is too old for gVisor", "update to Linux 5.6 or later"))
    if facts.architecture == "aarch64" and facts.page_size not in (None, 4096):
        found.append(
            Problem(
                f"the kernel's pages are {facts.page_size} bytes, gVisor needs 4096 (gvisor#9613)",
                "boot a kernel with 4 KiB pages",
            )
        )
    if facts.user_namespaces == 0:
        found.append(
            Problem("user namespaces are forbidden (gvisor#8578)", "sysctl user.max_user_namespaces=10000")
        )
    if facts.systemd_version is None:
        found.append(
            Problem("systemd does not run on this node", "this version restarts containerd by systemd only")
        )
    return found


def _place_problems(facts: Facts, settings: Settings, release: Release | None) -> list[Problem]:
    paths = settings.paths
    found = [
        Problem(
            f"{path} lies on {mount.path}, mounted {option}: {meaning}",
            f"set [paths] {name} to a folder that can be {wanted}",
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
                )
            )
    return found


def _daemon_problems(facts: Facts, release: str) -> list[Problem]:
    daemon = facts.daemon
    if daemon is None:
        return [
            Problem(
                f"containerd does not run (unit: {facts.unit_state})",
                "systemctl status containerd; if it has another unit, set [containerd] unit",
            )
        ]
    found = _compatibility_problems(daemon, release)
    if daemon.cri_errors:
        found.append(
            Problem(
                "containerd's CRI plugin does not work now: " + "; ".join(daemon.cri_errors),
                f"{daemon.ctr} plugins ls -d; mend it first, so that a later failure has one cause",
            )
        )
    if daemon.kill_mode not in ("process", "none", ""):
        found.append(
            Problem(
                f"{daemon.unit} has KillMode={daemon.kill_mode}: a restart would end the node's pods",
                f"set KillMode=process in {daemon.unit}",
            )
        )
    if not daemon.dump:
        found.append(
            Problem(
                f"`{daemon.binary} -c {daemon.config_path} config dump` prints nothing",
                "run it on the node and mend what it complains of",
            )
        )
    return found


def _compatibility_problems(daemon: Daemon, release: str) -> list[Problem]:
    for version, which in ((daemon.version, "running"), (daemon.disk_version, "on disk")):
        known = compatibility.row(version, release) if version else None
        if known and known.reason:
            said = f"containerd {dotted(version)} ({which}) is too old for gVisor {release}: {known.reason}"
            return [Problem(said, known.way_out)]
    return []


def _config_problems(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> list[Problem]:
    found = []
    if daemon.dump and effective.selinux_enabled(daemon.dump):
        found.append(
            Problem(
                "containerd has enable_selinux = true, with which every gVisor pod fails (gvisor#8747)",
                f"set it to false in {daemon.config_path} on nodes that run gVisor",
            )
        )
    missing = effective.missing_default_runtime(daemon.dump) if daemon.dump else None
    if missing is not None:
        found.append(
            Problem(
                f"default_runtime_name is {missing!r}, which no runtime is named: after its next restart "
                "containerd would answer, and run no pod",
                f"mend default_runtime_name in {daemon.config_path} or in what it imports",
            )
        )
    table = effective.effective_runtime(daemon.dump, runtime.handler) if daemon.dump else None
    if table is not None and table.get("runtime_path") not in [each.runtime_path for each in (runtime, *former)]:
        found.append(
            Problem(
                f"a runtime handler {runtime.handler!r} is there that nodeprov did not write "
                f"(runtime_path = {table.get('runtime_path') or 'unset'!r})",
                "remove it, or set [runtime] handler to another name",
            )
        )
    elif daemon.config is not None:
        try:
            wanted = containerd.add_runtime(containerd.decode(daemon.config.content), runtime, former)
            found += _default_runtime_problems(daemon, wanted)
        except NodeprovError as error:
            found.append(Problem(f"{daemon.config_path}: {error.message}", error.hint))
    return found


def _default_runtime_problems(daemon: Daemon, wanted: str) -> list[Problem]:
    """See that on 1.x, where a file's runtimes take the place of the default ones, runc stays."""
    lost = effective.missing_default_runtime(wanted)
    if lost is None or (daemon.disk_version or daemon.version) >= (2,):
        return []
    path = (*containerd.runtimes_path(containerd.file_version(wanted)), lost)
    return [
        Problem(
            f"{daemon.config_path} declares no runtime {lost!r}, and on containerd 1.x ours would take the place "
            "of those that it has by default",
            f'declare it there: [{dotted_path(path)}] with runtime_type = "io.containerd.runc.v2"',
        )
    ]


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
        )
    ]
