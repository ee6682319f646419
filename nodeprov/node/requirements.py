"""What any runtime's installation needs of a node: of its containerd, its configuration, and our places."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeprov import containerd
from nodeprov.containerd import Runtime
from nodeprov.containerd.distributions import editing
from nodeprov.containerd.edit import TAKE_OVER
from nodeprov.errors import NodeprovError, Problem
from nodeprov.inventory import Settings
from nodeprov.node.cgroups import disagreement
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.layout import Layout
from nodeprov.node.runtime_table import DROPIN
from nodeprov.node.state import Facts, Footprint, Machine
from nodeprov.node.switch import UNITS

IO_TYPES = ("fifo", "streaming")
MARGIN_BYTES = 256 << 20
NONE_NEEDED = ', or to "" for no link: no pod needs it'
MOUNT_OPTIONS = (
    ("noexec", "nothing there can be executed", "executed"),
    ("ro", "nothing there can be written", "written"),
)


def places_usable(machine: Machine, settings: Settings, uses: Mapping[str, str]) -> Iterator[Problem]:
    """See that each place can be used for what it is there for, and that nobody but root can change it."""
    yield from _mounts_allow(machine, settings, uses)
    yield from _unlocked(machine, settings)
    yield from _ways_are_roots(machine, settings)


def _mounts_allow(machine: Machine, settings: Settings, uses: Mapping[str, str]) -> Iterator[Problem]:
    """See that each place can be written to, and executed in where that is needed."""
    for name, path in _places(settings):
        mount = machine.mount_of(path)
        for option, meaning, wanted in MOUNT_OPTIONS:
            if mount and option in mount.options and (option == "ro" or name == "prefix"):
                yield Problem(
                    f"{path} is on {mount.path}, mounted {option}: {meaning}",
                    f"set [paths] {name} to a folder that can be {wanted}{NONE_NEEDED if name == 'bin' else ''}",
                    uses[name],
                )


def _unlocked(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that root can make files where ours are to be, and where units are, by one of which a node goes back."""
    places = [(f"[paths] {name}", path) for name, path in _places(settings)]
    for what, path in (*places, ("the unit of the dead man's switch", UNITS)):
        if machine.uid != 0 or machine.is_read_only(path):
            continue  # which is reported for itself
        for folder, why in machine.locked.items():
            if f"{machine.real_paths.get(path, path)}/".startswith(f"{folder}/"):
                yield Problem(
                    f"{folder}, which holds {what}, takes no file: {why}",
                    f"lsattr -d {folder}; chattr -i -a {folder}, or have what has set that do the change",
                    "not even root may make or rename anything there (chattr(1))",
                )


def _ways_are_roots(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that nobody but root could have put something on the way to our places, or could exchange it later."""
    for name, path in _places(settings):
        for folder, whose in machine.loose.items():
            if any(f"{each}/".startswith(f"{folder}/") for each in (path, machine.real_paths.get(path, path))):
                yield Problem(
                    f"{folder}, which holds [paths] {name}, can be written by others than root: {whose}",
                    f"chown root {folder} && chmod o-w {folder}, or set [paths] {name} to another folder",
                    "whoever may write there decides what root, or containerd for root, runs and believes",
                )


def forgotten_places(machine: Machine, settings: Settings, daemon: Daemon) -> Iterator[Problem]:
    """Find what a reboot forgets of what an install makes; the link for people is made anew by the next one."""
    places = (("[paths] prefix", settings.paths.prefix), ("[paths] state", settings.paths.state))
    for what, path in (*places, ("containerd's configuration", daemon.edited_path)):
        if mount := machine.forgets(path):
            yield Problem(
                f"{what}, {path}, is on {mount.path} ({mount.type}), which a reboot forgets",
                "set it to a folder on a disk"
                if what.startswith("[")
                else "install again after each reboot, or have what makes that file declare the runtime",
                "a node that keeps its label and its RuntimeClass would get pods that it cannot run any more",
            )


def room(machine: Machine, release_bytes: int) -> Iterator[Problem]:
    """See that a release has room."""
    needed = release_bytes + MARGIN_BYTES
    if machine.free_bytes < needed:
        yield Problem(
            f"{machine.free_at} has {machine.free_bytes >> 20} MiB free, {needed >> 20} MiB are needed",
            "free space there, or set [paths] prefix to a larger file system",
            "a release is unpacked beside the one that runs, which stays until no sandbox needs it",
        )


def link_is_free(footprint: Footprint, layout: Layout) -> Iterator[Problem]:
    """See that no file of somebody else lies where the link for people would."""
    path = layout.link_for_people
    if path and footprint.is_others(path):
        target = footprint.links[path]
        what = "is a file" if target == "(no link)" else f"leads to {target}"
        yield Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" to keep that one',
            "whoever types it would run one release, and pods another",
        )


def _places(settings: Settings) -> list[tuple[str, str]]:
    paths = settings.paths
    places = (("prefix", paths.prefix), ("state", paths.state), ("bin", paths.bin))
    return [(name, path) for name, path in places if path]


def containerd_runs(facts: Facts) -> Iterator[Problem]:
    """See that a containerd runs, and that it is known which one is meant."""
    if facts.undecided:
        yield facts.undecided
    elif facts.daemon is None and (other := _other_runtime(facts.machine)):
        name, socket = other
        yield Problem(
            f"containerd does not run: kubelet has pods run by {name}, at {socket}",
            "take this node out of the inventory: nodeprov provisions containerd",
            "a runtime is declared in the configuration of what runs the pods",
        )
    elif facts.daemon is None:
        yield Problem(
            f"containerd does not run (unit: {facts.unit_state})",
            "systemctl status containerd; if it has another unit, set [containerd] unit",
            "what a containerd has loaded can be found out only while it runs",
        )


OTHER_RUNTIMES = {"crio": "CRI-O", "cri-dockerd": "Docker (cri-dockerd)"}


def _other_runtime(machine: Machine) -> tuple[str, str] | None:
    """Find what else kubelet talks to, and where, by the names of its sockets."""
    sockets = [each.socket for each in machine.kubelets]
    known = ((name, socket) for socket in sockets for part, name in OTHER_RUNTIMES.items() if part in socket)
    return next(known, None)


def containerd_unit(daemon: Daemon) -> Iterator[Problem]:
    """See that a service has started it."""
    if not daemon.unit:
        yield Problem(
            f"containerd (process {daemon.identity.pid}) was not started by a systemd service: "
            "nothing here knows how to restart it",
            "run it as a service, or set [containerd] unit to the one that starts it",
            "containerd reads its configuration at its start only",
        )


def containerd_works(daemon: Daemon) -> Iterator[Problem]:
    """See that it serves now, that its restart ends no pod, and that it prints its configuration."""
    if daemon.cri_errors:
        yield Problem(
            "containerd's CRI plugin does not work now: " + "; ".join(daemon.cri_errors),
            f"{daemon.ctr} plugins ls -d; fix this first",
            "kubelet runs pods through that plugin only; `ctr version` answers without it",
        )
    if daemon.kill_mode not in ("process", "none", ""):
        yield Problem(
            f"{daemon.unit} has KillMode={daemon.kill_mode}: a restart would end the node's pods",
            f"set KillMode=process in {daemon.unit}",
            "systemd would kill the shims with the daemon (kubernetes#111776)",
        )
    if not daemon.dump:
        typed = f"{daemon.binary} -c {daemon.config_path} config dump"
        said = daemon.refusal.removeprefix(f"{daemon.config_path}: ") or f"`{typed}` prints nothing"
        yield Problem(
            f"containerd cannot read {daemon.config_path} any more: {said}",
            f"fix it, and see whether it is read: {typed}",
            "containerd would not start again; and what the configuration comes to only that command shows",
        )


EDIT = "nodeprov edits a file only where it is sure what the edit will do"


def config_is_editable(machine: Machine, daemon: Daemon) -> Iterator[Problem]:
    """See that what is edited can be written, and is no link that somebody else keeps.

    A template may lead into a store that is read-only, as in NixOS.
    """
    where = daemon.source.leads_to if daemon.source else daemon.edited_path
    mount = machine.mount_of(where)
    if mount and "ro" in mount.options:
        yield Problem(
            f"{daemon.edited_path} is on {mount.path} ({where}), mounted ro: it cannot be edited",
            "have what writes it declare the runtime, or have it where it can be written",
            "the runtime is known to containerd by its configuration only",
        )
    if daemon.config_target and daemon.source is None:
        yield Problem(
            f"{daemon.config_path} is a link to {daemon.config_target}: whoever keeps that file elsewhere "
            "would share the edit, or take it back",
            f'if it is this containerd\'s alone: set [containerd] config = "{daemon.config_target}"',
            "a rename would put a file in the place of the link, and others would not see it",
        )
    yield from config_unlocked(machine, daemon)


def config_unlocked(machine: Machine, daemon: Daemon) -> Iterator[Problem]:
    """See that a rename can put a file in the place of the one that is edited."""
    where = daemon.source.leads_to if daemon.source else daemon.edited_path
    for path, why in daemon.locked.items():
        if machine.uid != 0 or machine.is_read_only(path):
            continue  # which is reported for itself
        yield Problem(
            f"{daemon.edited_path} cannot be replaced: {why}: {path}",
            f"lsattr -d {path}; chattr -i -a {path}, or have what has set that make the change",
            "somebody wants it to stay as it is: configuration management, or a rule of hardening (chattr(1))",
        )
    mount = machine.mount_of(where)
    if mount and mount.path == where:
        yield Problem(
            f"{where} is a mount of its own: no rename can put another file in its place",
            "mount the folder instead of the file, or change the file where it comes from",
            "rename(2) fails with `Device or resource busy` on a mount point",
        )


def runtimes_serve(machine: Machine, daemon: Daemon) -> Iterator[Problem]:
    """See that the CRI plugin would start again with the runtimes that are declared, and run pods with them."""
    yield from _default_runtime(daemon)
    yield from _accepted(machine, daemon)
    yield from disagreement(machine, daemon)


def _accepted(machine: Machine, daemon: Daemon) -> Iterator[Problem]:
    """See that the CRI plugin would accept every runtime that is declared, also those of others.

    It refuses all of them for one (internal/cri/config/config.go, `ValidateRuntimeConfig`), when it starts.
    """
    for handler, table in daemon.effective.runtimes.items():
        for key, why in _refused_keys(machine, table):
            yield Problem(
                f"containerd's CRI plugin would not start again: runtime {handler} has {key}, {why}",
                f"take {key.partition(' ')[0]} out of the table of {handler} in {daemon.config_path}, or in what "
                "it imports",
                "a restart of containerd brings this into force, with or without nodeprov",
            )


def _refused_keys(machine: Machine, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if table.get("cgroup_writable") is True and machine.cgroup_version == 1:
        yield "cgroup_writable = true", "which needs cgroup v2, and this node has v1"
    if (io_type := table.get("io_type")) not in (None, "", *IO_TYPES):
        yield f"io_type = {io_type!r}", f"which must be {' or '.join(IO_TYPES)}"
    without = "privileged_without_host_devices"
    if table.get(f"{without}_all_devices_allowed") is True and table.get(without) is not True:
        yield f"{without}_all_devices_allowed = true", f"which needs {without} = true"


def _default_runtime(daemon: Daemon) -> Iterator[Problem]:
    """See that containerd would still have its default runtime after a restart."""
    missing = daemon.effective.missing_default_runtime
    if missing is not None:
        yield Problem(
            f"default_runtime_name is {missing!r}, which no runtime is named: after its next restart "
            "containerd would answer, and run no pod",
            f"fix default_runtime_name in {daemon.config_path} or in what it imports",
            "the CRI plugin does not start without its default runtime",
        )


def handler_is_free(
    daemon: Daemon, runtime: Runtime, former: Sequence[Runtime], *, adopts: bool = False
) -> Iterator[Problem]:
    """See that nobody else's table has our handler's name, and that ours can be put in.

    Where somebody `adopts`, such a table is one that cannot be: it is not in containerd's own file.
    """
    table = daemon.effective.runtime(runtime.handler)
    ours = (runtime, *former)
    if table is not None and not any(
        runtime.program_of(table) == each.program or each.owns(table) for each in ours
    ):
        yield Problem(
            f"a runtime handler {runtime.handler!r} is there that nodeprov did not write "
            f"({runtime.program_key} = {runtime.program_of(table) or 'unset'!r})",
            f"{_way_to_adopt(daemon, adopts=adopts)}remove it, or set [runtime] handler to another name"
            if table.get("runtime_type") == runtime.runtime_type
            else "remove it, or set [runtime] handler to another name",
            "its pods would get another runtime, and an uninstall would take somebody else's table",
        )
        return
    try:  # the edit, for nobody: what blocks it is found before anything is touched
        if daemon.source is not None:
            editing.added(daemon.source, daemon.edited, runtime, former)
        elif daemon.config is not None:
            version = version_text(daemon.next_version)
            config = containerd.begun(daemon.file, version)
            containerd.with_runtime(config, runtime, former, daemon.version_to_start)
            if daemon.next_version:
                for each in containerd.unread(config, version):
                    yield Problem(f"{daemon.config_path} {each.message}", each.hint, EDIT)
    except NodeprovError as error:
        if daemon.source is not None or not daemon.refusal:  # else containerd has said it, with the place
            yield Problem(f"{daemon.edited_path}: {error.message}", error.hint, EDIT)


def _way_to_adopt(daemon: Daemon, *, adopts: bool) -> str:
    """Say how a table of somebody else can be taken over: of what a distribution makes none can."""
    if daemon.source is not None:
        return ""
    return f"move its table into {daemon.config_path} itself; or " if adopts else f"{TAKE_OVER}; or "


def config_style_works(daemon: Daemon, settings: Settings) -> Iterator[Problem]:
    """See that a drop-in of our own would be read, where one is wanted."""
    if settings.containerd.config_style != DROPIN:
        return
    otherwise = f'leave [containerd] config_style = "{DROPIN}" out'
    if daemon.source is not None:
        yield Problem(f"{daemon.distribution.name} makes {daemon.config_path} itself", otherwise, EDIT)
    elif daemon.disk_version and daemon.disk_version < (2, 0, 0):
        yield Problem(
            "a drop-in would take the place of the CRI plugin's whole section on containerd 1.x",
            otherwise,
            "1.x does not merge what is imported (containerd#5837)",
        )
    elif daemon.drop_in_path(settings.runtime.handler) is None:
        yield Problem(
            f"{daemon.config_path} imports no folder of *.toml files for a file of its own",
            f'add imports = ["/etc/containerd/conf.d/*.toml"] to it, or {otherwise}',
            "containerd reads no file that nothing imports",
        )
    elif daemon.next_version < (2, 3, 0) and not _has_runtimes_where_its_version_says(daemon):
        yield Problem(
            f"{daemon.config_path} has its runtimes where another version than it states has them",
            f"write the version at its top that its tables are of, or {otherwise}",
            "up to 2.2 the version that is stated last counts for all files, and moves where they are looked for",
        )


def _has_runtimes_where_its_version_says(daemon: Daemon) -> bool:
    return containerd.runtimes_place(daemon.file, daemon.version_to_start) == daemon.file.runtimes_path
