"""Our runtime's table in containerd's configuration: the file that holds it, and the edit as a goal."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from typing import Any

from nodeprov import containerd
from nodeprov.containerd import Config, Refused, Runtime, drop_in_text, takeover
from nodeprov.containerd.distributions import editing
from nodeprov.containerd.distributions.distribution import How
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.receipts import History, Written
from nodeprov.plan.containerd_config import ContainerdConfig, ContainerdSource, OwnConfig
from nodeprov.plan.goal import Goal, constant
from nodeprov.states import FileState, State

DROPIN = "dropin"


def config_resource(daemon: Daemon, runtime: Runtime) -> ContainerdConfig:
    """Name containerd's configuration file, or what it is made of, as a resource with its gate."""
    if daemon.source is None:
        return ContainerdConfig(daemon.config_path, runtime, daemon.binary)
    return ContainerdSource(daemon.source.path, runtime, daemon.binary, daemon.config_path, daemon.source.how)


def own_config(daemon: Daemon, runtime: Runtime) -> OwnConfig | None:
    """Name the file that could hold our table alone; None if the configuration file imports no folder for it."""
    return next(iter(_own_configs(daemon, runtime)), None)


def _own_configs(daemon: Daemon, *runtimes: Runtime) -> tuple[OwnConfig, ...]:
    paths = {runtime: daemon.drop_in_path(runtime.handler) for runtime in runtimes}
    return tuple(
        OwnConfig(path, runtime, daemon.binary, root=daemon.config_path) for runtime, path in paths.items() if path
    )


def config_goals(
    daemon: Daemon, settings: Settings, runtime: Runtime, former: tuple[Runtime, ...], *, adopts: bool = False
) -> tuple[Goal, ...]:
    """Want our table in the file, or in one of its own, and not in the other.

    Where it `adopts`, a table of the handler that somebody else wrote makes room for ours, in its own file.
    """
    root, own = config_resource(daemon, runtime), own_config(daemon, runtime)
    if settings.containerd.config_style == DROPIN and own and daemon.config and not adopts:
        return _own_goal(daemon, own), Goal(root, without_runtime(runtime, former))
    in_root = Goal(root, with_runtime(daemon, runtime, former, adopts=adopts))
    return (in_root, Goal(own, constant(None))) if own else (in_root,)


def own_goal(daemon: Daemon, runtime: Runtime) -> Goal | None:
    """Want our table in a file of its own; None if the configuration file imports no folder for it."""
    own = own_config(daemon, runtime)
    return _own_goal(daemon, own) if own else None


def _own_goal(daemon: Daemon, own: OwnConfig) -> Goal:
    text = drop_in_text(daemon.file, own.runtime)
    return Goal(own, constant(FileState(text.encode(), 0o644)))


def removal_goals(
    daemon: Daemon,
    runtime: Runtime,
    former: tuple[Runtime, ...],
    history: History,
    canary: tuple[Runtime, ...] = (),
) -> tuple[Goal, ...]:
    """Want what was before us where nobody has edited it since, and else what is there without our table.

    `canary` are the runtimes that may have been declared with ours: today's, and those of former prefixes.
    """
    root, owns = config_resource(daemon, runtime), _own_configs(daemon, runtime, *canary[:1])
    root = replace(root, besides=canary[:1])
    # The last handler that leaves gives back what was there before all of them.
    runs = history.own if history.neighbours else history.everyones
    if runs.have_left(root.key, daemon.edited):
        without = constant(runs.before[root.key])
    elif taken := _taken(runs.changes_of(root.key), (runtime, *former)):
        without = _with_theirs(daemon, (runtime, *former), taken)
    else:
        without = without_runtime(runtime, former, how_edited(daemon))
    if canary:
        also = without_runtime(canary[0], canary[1:], how_edited(daemon))
        # What stood at the end of the file stood there before the canary's table came.
        without = _in_turn(also, without, also)
    return (Goal(root, without), *(Goal(each, constant(None)) for each in owns))


def _in_turn(*targets: Callable[[Any], State | None]) -> Callable[[Any], State | None]:
    return lambda current: reduce(lambda state, target: target(state), targets, current)


def with_runtime(
    daemon: Daemon, runtime: Runtime, former: tuple[Runtime, ...], *, adopts: bool = False
) -> Callable[[Any], FileState | None]:
    """Want our table in the configuration, or in what it is made of, everything else as it is now."""

    def target(current: FileState | None) -> FileState | None:
        if daemon.source is not None:
            return editing.added(daemon.source, current, runtime, former)
        version = ".".join(str(part) for part in daemon.disk_version)
        if current is None:
            text = containerd.add_runtime(containerd.empty_config(version), runtime)
            return FileState(text.encode(), 0o644)
        found = daemon.file if current == daemon.config else Config.of(current.content, daemon.config_path)
        if adopts:
            found = takeover.taken_over(found, runtime, daemon.version_to_start)
        edited = containerd.with_runtime(
            containerd.begun(found, version), runtime, former, daemon.version_to_start
        )
        return replace(current, content=edited.text.encode())

    return target


def without_runtime(
    runtime: Runtime, former: tuple[Runtime, ...] = (), how: How | None = None
) -> Callable[[Any], FileState | None]:
    """Want the configuration, or what it is made of, without our table, everything else as it is now."""

    def target(current: FileState | None) -> FileState | None:
        if current is None:
            return None
        if how is not None:
            return editing.removed(how, current, runtime, former)
        text = containerd.remove_runtime(containerd.decode(current.content), runtime, former)
        return replace(current, content=text.encode())

    return target


def without_each(daemon: Daemon, runtimes: tuple[Runtime, ...]) -> Callable[[Any], FileState | None]:
    """Want the configuration without the tables of several runtimes."""
    how = how_edited(daemon)

    def target(current: FileState | None) -> FileState | None:
        for runtime in runtimes:
            current = without_runtime(runtime, how=how)(current)
        return current

    return target


def _taken(changes: Sequence[Written], ours: tuple[Runtime, ...]) -> takeover.Taken | None:
    """Find the table that was adopted: what the last run that brought ours into the file has replaced by it."""
    for change in reversed(changes):
        if isinstance(change.before, FileState) and isinstance(change.after, FileState):
            before, after = (Config.of(each.content, change.key) for each in (change.before, change.after))
            with suppress(Refused):  # what was no TOML then had no table that was adopted
                if any(map(after.declares, ours)) and not any(map(before.declares, ours)):
                    return takeover.taken_between(before, after, ours)
    return None


def _with_theirs(
    daemon: Daemon, ours: tuple[Runtime, ...], taken: takeover.Taken
) -> Callable[[Any], FileState | None]:
    """Want the table that was adopted in the place of ours, and everything else as it is now."""

    def target(current: FileState | None) -> FileState | None:
        if current is None:
            return None
        back = takeover.handed_back(Config.of(current.content, daemon.config_path), ours, taken)
        return replace(current, content=back.text.encode())

    return target


def how_edited(daemon: Daemon) -> How | None:
    """Return how what the configuration is made of is edited; None where it is containerd's own file."""
    return daemon.source.how if daemon.source else None
