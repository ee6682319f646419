"""What blocks a table of ours in containerd's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nodeprov import containerd
from nodeprov.containerd import Runtime
from nodeprov.containerd.distributions import editing
from nodeprov.errors import NodeprovError, Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.machine import Machine
from nodeprov.node.runtime_table import DROPIN

EDIT = "nodeprov edits a file only where it is sure what the edit will do"


def source(machine: Machine, daemon: Daemon) -> Iterator[Problem]:
    """See that what is edited can be written: a template may lead into a store that is read-only, as in NixOS."""
    where = daemon.source.leads_to if daemon.source else daemon.edited_path
    mount = machine.mount_of(where)
    if mount and "ro" in mount.options:
        yield Problem(
            f"{daemon.edited_path} lies on {mount.path} ({where}), mounted ro: it cannot be edited",
            "have what writes it declare the runtime, or let it lie where it can be written",
            "the runtime is known to containerd by its configuration only",
        )


def link(daemon: Daemon) -> Iterator[Problem]:
    """See that the file is no link."""
    if daemon.config_target and daemon.source is None:
        yield Problem(
            f"{daemon.config_path} is a link to {daemon.config_target}: whoever keeps that file elsewhere "
            "would share the edit, or take it back",
            f'if it is this containerd\'s alone: set [containerd] config = "{daemon.config_target}"',
            "a rename would put a file in the place of the link, and others would not see it",
        )


def default_runtime(daemon: Daemon) -> Iterator[Problem]:
    """See that containerd would still have its default runtime after a restart."""
    missing = daemon.effective.missing_default_runtime
    if missing is not None:
        yield Problem(
            f"default_runtime_name is {missing!r}, which no runtime is named: after its next restart "
            "containerd would answer, and run no pod",
            f"mend default_runtime_name in {daemon.config_path} or in what it imports",
            "the CRI plugin does not start without its default runtime",
        )


def handler(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> Iterator[Problem]:
    """See that nobody else's table has our handler's name, and that ours can be put in."""
    table = daemon.effective.runtime(runtime.handler)
    if table is not None and runtime.program_of(table) not in [each.program for each in (runtime, *former)]:
        yield Problem(
            f"a runtime handler {runtime.handler!r} is there that nodeprov did not write "
            f"({runtime.program_key} = {runtime.program_of(table) or 'unset'!r})",
            "remove it, or set [runtime] handler to another name",
            "its pods would get another runtime, and an uninstall would take somebody else's table",
        )
    else:
        yield from _edit_problems(daemon, runtime, former)


def _edit_problems(daemon: Daemon, runtime: Runtime, former: Sequence[Runtime]) -> Iterator[Problem]:
    """Make the edit, for nobody: what blocks it is found before anything is touched."""
    try:
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


def style(daemon: Daemon, settings: Settings) -> Iterator[Problem]:
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
