"""What stands against our table in containerd's configuration."""

from __future__ import annotations

from collections.abc import Sequence

from nodeprov import containerd
from nodeprov.containerd import Runtime
from nodeprov.containerd.distributions import editing
from nodeprov.errors import NodeprovError, Problem
from nodeprov.inventory import Settings
from nodeprov.node.facts import Daemon, Facts, dotted
from nodeprov.node.runtime_table import DROPIN, own_config
from nodeprov.runtimes.gvisor.layout import layout

EDIT = "an edit that is not sure to mean what it should is not made"


def of_content(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> list[Problem]:
    """Find what in the configuration stands against our table, or makes it useless."""
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
    if daemon.dump and daemon.effective.enables_selinux:
        found.append(
            Problem(
                "containerd has enable_selinux = true, with which every gVisor pod fails (gvisor#8747)",
                f"set it to false in {daemon.config_path} on nodes that run gVisor",
                "the labels that containerd then asks for cannot be set in a sandbox (gvisor#8747)",
            )
        )
    missing = daemon.effective.missing_default_runtime if daemon.dump else None
    if missing is not None:
        found.append(
            Problem(
                f"default_runtime_name is {missing!r}, which no runtime is named: after its next restart "
                "containerd would answer, and run no pod",
                f"mend default_runtime_name in {daemon.config_path} or in what it imports",
                "the CRI plugin does not start without its default runtime",
            )
        )
    table = daemon.effective.runtime(runtime.handler) if daemon.dump else None
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


def of_style(daemon: Daemon, settings: Settings) -> list[Problem]:
    """See that a drop-in of our own would be read, where one is wanted."""
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


def of_source(facts: Facts, daemon: Daemon) -> list[Problem]:
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
            config = containerd.begun(daemon.file, dotted(daemon.next_version))
            containerd.with_runtime(config, runtime, former)
            unread = containerd.unread(config, dotted(daemon.next_version)) if daemon.next_version else ()
            return [Problem(f"{daemon.config_path} {each.message}", each.hint, EDIT) for each in unread]
    except NodeprovError as error:
        return [Problem(f"{daemon.edited_path}: {error.message}", error.hint, EDIT)]
    return []
