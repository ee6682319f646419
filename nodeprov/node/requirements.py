"""What any runtime's installation needs of a node: of its containerd, its configuration, and our places."""

from collections.abc import Iterator, Mapping, Sequence

from nodeprov import containerd
from nodeprov.containerd import Runtime
from nodeprov.containerd.distributions import editing
from nodeprov.errors import NodeprovError, Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.layout import Layout
from nodeprov.node.runtime_table import DROPIN
from nodeprov.node.state import Facts, Footprint, Machine

MARGIN_BYTES = 256 << 20
NONE_NEEDED = ', or to "" for no link: no pod needs it'
MOUNT_OPTIONS = (
    ("noexec", "nothing there can be executed", "executed"),
    ("ro", "nothing there can be written", "written"),
)


def mounts_allow(machine: Machine, settings: Settings, uses: Mapping[str, str]) -> Iterator[Problem]:
    """See that each place can be written to, and executed in where that is needed."""
    for name, path in _places(settings):
        mount = machine.mount_of(path)
        for option, meaning, wanted in MOUNT_OPTIONS:
            if mount and option in mount.options and (option == "ro" or name == "prefix"):
                yield Problem(
                    f"{path} lies on {mount.path}, mounted {option}: {meaning}",
                    f"set [paths] {name} to a folder that can be {wanted}{NONE_NEEDED if name == 'bin' else ''}",
                    uses[name],
                )


def ways_are_roots(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that nobody but root could have put something on the way to our places, or could exchange it later."""
    for name, path in _places(settings):
        for folder, whose in machine.loose.items():
            if any(f"{each}/".startswith(f"{folder}/") for each in (path, machine.real_paths.get(path, path))):
                yield Problem(
                    f"{folder}, in which [paths] {name} lies, is not root's alone: {whose}",
                    f"chown root {folder} && chmod o-w {folder}, or set [paths] {name} to another folder",
                    "whoever may write there decides what root, or containerd for root, runs and believes",
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
    target = footprint.links.get(path, "") if path else ""
    if target and not target.startswith(tuple(f"{prefix}/" for prefix in footprint.prefixes)):
        what = "is a file" if target == "(no link)" else f"leads to {target}"
        yield Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" if people should keep that one',
            "people would run one release, and pods another",
        )


def _places(settings: Settings) -> list[tuple[str, str]]:
    paths = settings.paths
    places = (("prefix", paths.prefix), ("state", paths.state), ("bin", paths.bin))
    return [(name, path) for name, path in places if path]


def containerd_runs(facts: Facts) -> Iterator[Problem]:
    """See that a containerd runs, and that it is known which one is meant."""
    if facts.undecided:
        yield facts.undecided
    elif facts.daemon is None:
        yield Problem(
            f"containerd does not run (unit: {facts.unit_state})",
            "systemctl status containerd; if it has another unit, set [containerd] unit",
            "what a containerd has loaded can be found out only while it runs",
        )


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
        yield Problem(
            f"`{daemon.binary} -c {daemon.config_path} config dump` prints nothing",
            "run it on the node and mend what it complains of",
            "what the configuration comes to, imports included, only that command shows",
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
            f"{daemon.edited_path} lies on {mount.path} ({where}), mounted ro: it cannot be edited",
            "have what writes it declare the runtime, or let it lie where it can be written",
            "the runtime is known to containerd by its configuration only",
        )
    if daemon.config_target and daemon.source is None:
        yield Problem(
            f"{daemon.config_path} is a link to {daemon.config_target}: whoever keeps that file elsewhere "
            "would share the edit, or take it back",
            f'if it is this containerd\'s alone: set [containerd] config = "{daemon.config_target}"',
            "a rename would put a file in the place of the link, and others would not see it",
        )


def default_runtime_is_there(daemon: Daemon) -> Iterator[Problem]:
    """See that containerd would still have its default runtime after a restart."""
    missing = daemon.effective.missing_default_runtime
    if missing is not None:
        yield Problem(
            f"default_runtime_name is {missing!r}, which no runtime is named: after its next restart "
            "containerd would answer, and run no pod",
            f"mend default_runtime_name in {daemon.config_path} or in what it imports",
            "the CRI plugin does not start without its default runtime",
        )


def handler_is_free(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> Iterator[Problem]:
    """See that nobody else's table has our handler's name, and that ours can be put in."""
    table = daemon.effective.runtime(runtime.handler)
    if table is not None and runtime.program_of(table) not in [each.program for each in (runtime, *former)]:
        yield Problem(
            f"a runtime handler {runtime.handler!r} is there that nodeprov did not write "
            f"({runtime.program_key} = {runtime.program_of(table) or 'unset'!r})",
            "remove it, or set [runtime] handler to another name",
            "its pods would get another runtime, and an uninstall would take somebody else's table",
        )
        return
    try:  # the edit, for nobody: what blocks it is found before anything is touched
        if daemon.source is not None:
            editing.added(daemon.source, daemon.edited, runtime, former)
        elif daemon.config is not None:
            config = containerd.begun(daemon.file, version_text(daemon.next_version))
            containerd.with_runtime(config, runtime, former)
            if daemon.next_version:
                for each in containerd.unread(config, version_text(daemon.next_version)):
                    yield Problem(f"{daemon.config_path} {each.message}", each.hint, EDIT)
    except NodeprovError as error:
        yield Problem(f"{daemon.edited_path}: {error.message}", error.hint, EDIT)


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
