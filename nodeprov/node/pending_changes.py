"""What others have changed since containerd started, which any restart brings into force, or loses.

Our restart must not be the first test of it. So the daemon is started on it apart from the node; and what that
cannot show is refused, unless the operator says that it is wanted.
"""

from collections.abc import Iterator, Mapping, Sequence

from nodeprov.containerd import Runtime, differences
from nodeprov.errors import Problem
from nodeprov.hosts.base import Reader
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon, Record, version_text
from nodeprov.node.dry_start import DryStart, as_it_is
from nodeprov.node.imported_files import Imported, is_read_by_distribution
from nodeprov.node.requirements import config_unlocked
from nodeprov.node.state import Machine

ACTIVATE = "activate"
ANEW = DryStart("its configuration file was edited, and will be made anew", was_tried=False)
CLOCK_MARGIN_SECONDS = 0.1
"""A file that is made a moment before a process begins may seem newer: the kernel tells starts in ticks."""


def pending_changes(
    daemon: Daemon, record: Record | None, runtime: Runtime, imported: Mapping[str, Imported]
) -> tuple[str, ...]:
    """Name what a restart would also bring into force: others' edits, another containerd, another unit."""
    found: list[str] = []
    lost = is_written_anew(daemon)
    if record and record.identity == daemon.identity and not lost:
        found += differences(record.effective, daemon.effective, runtime)
    else:
        changed = changed_since_start(daemon, imported)
        found += [_edited(path) for path in changed if not (lost and path == daemon.config_path)]
    found += _not_shown(daemon, imported)
    if daemon.needs_reload:
        found.append(f"{daemon.unit} was changed on disk (systemctl daemon-reload is due)")
    return tuple(dict.fromkeys(found))


def is_written_anew(daemon: Daemon) -> bool:
    """Tell whether somebody has edited the file that a distribution makes: its next start makes it anew."""
    at = daemon.config_changed_at
    return daemon.source is not None and at is not None and at >= daemon.started_at + CLOCK_MARGIN_SECONDS


def lost_changes(daemon: Daemon) -> tuple[str, ...]:
    """Name what a restart would lose: an edit where only a distribution writes."""
    said = f"an edit of {daemon.config_path}, which {daemon.distribution.title} makes anew at each start"
    return (said,) if is_written_anew(daemon) else ()


def _edited(path: str) -> str:
    return f"{path} was changed after containerd started: any edit in it"


def changed_since_start(daemon: Daemon, imported: Mapping[str, Imported]) -> tuple[str, ...]:
    """Name the files of the configuration that may be newer than the process, whose start is known roughly."""
    changed = {path: file.changed_at for path, file in imported.items()}
    if daemon.config_changed_at is not None:
        changed[daemon.config_path] = daemon.config_changed_at
    # What a distribution makes at its start is written a moment before containerd begins, and by nobody else.
    margin = CLOCK_MARGIN_SECONDS if daemon.source else -CLOCK_MARGIN_SECONDS
    return tuple(path for path, at in changed.items() if at >= daemon.started_at + margin)


def _not_shown(daemon: Daemon, imported: Mapping[str, Imported]) -> Iterator[str]:
    """Name what a dry start does not show: another containerd, and edits of what a distribution reads itself."""
    if daemon.disk_version != daemon.version:
        yield f"containerd {version_text(daemon.disk_version)} on disk, {version_text(daemon.version)} is running"
    read = {path: file.changed_at for path, file in imported.items() if is_read_by_distribution(daemon, path)}
    if daemon.source:
        read[daemon.source.path] = daemon.source.changed_at or 0.0
    yield from (_edited(path) for path, at in read.items() if at >= daemon.started_at)


def pending_problems(
    reader: Reader,
    edited: Machine | None,
    daemon: Daemon,
    settings: Settings,
    pending: Sequence[str],
    imported: Mapping[str, Imported],
) -> Iterator[Problem]:
    """Start containerd on what is pending, apart from the node, and find what blocks a restart of ours.

    Without anything pending nothing is asked. `edited` is a machine whose configuration is edited too.
    """
    if edited:
        yield from config_unlocked(edited, daemon)
    if not pending:
        return
    tried = ANEW if is_written_anew(daemon) else as_it_is(reader, daemon)
    if tried.fails:
        yield Problem(
            f"the next restart of {daemon.unit} fails, with or without nodeprov: {tried.fault}",
            f"fix it and restart {daemon.unit} yourself; what was changed since it started: {'; '.join(pending)}",
            "it was started apart from the node, on the files as they are now, and did not come to serve pods",
        )
    elif settings.containerd.pending_changes != ACTIVATE:
        yield from _not_wanted(daemon, tried, tuple(_not_shown(daemon, imported)) if tried.was_tried else pending)


def _not_wanted(daemon: Daemon, tried: DryStart, untried: Sequence[str]) -> Iterator[Problem]:
    """Refuse what no dry start has shown, and nobody has said is wanted."""
    if untried:
        why = "what a distribution makes of an edit, and what another containerd does to pods, no dry start shows"
        yield Problem(
            f"a restart of {daemon.unit} also brings into force what others have changed: {'; '.join(untried)}",
            f"restart {daemon.unit} yourself first, or say that it is wanted: --activate-pending",
            why if tried.was_tried else f"it cannot be tried before: {tried.fault}",
        )
