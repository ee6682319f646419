"""What the running containerd has loaded, from evidence, and so whether it must restart."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nodeprov.containerd import Runtime
from nodeprov.errors import MALFORMED_JSON
from nodeprov.node.daemon import Daemon, Record
from nodeprov.node.imported_files import Imported
from nodeprov.node.pending_changes import changed_since_start, lost_changes, pending_changes
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Restart

MADE_SECONDS = 0.1
"""A file that is made a moment before a process begins may seem newer: the kernel counts starts in ticks."""


class NotKnown:
    """Nothing shows what the daemon has loaded."""


def loaded_runtime(
    daemon: Daemon, record: Record | None, handler: str, imported: Mapping[str, Imported]
) -> Mapping[str, Any] | NotKnown | None:
    """Find the runtime's table that the running daemon has loaded, from evidence.

    The evidence, in its order: what nodeprov wrote down when it last restarted this very process; the
    process's own log; that the configuration has not changed since the process started.
    """
    if record and record.identity == daemon.identity:
        return record.effective.runtime(handler)
    logged = logged_runtime(daemon.loaded_log, handler)
    if isinstance(logged, NotKnown) and not changed_since_start(daemon, imported):
        return daemon.effective.runtime(handler)
    return logged


def logged_runtime(log: str, handler: str) -> Mapping[str, Any] | NotKnown | None:
    """Find a runtime in the line in which containerd 2.x logs what its CRI plugin has read.

    The line is logfmt with the configuration as quoted JSON (containerd: plugins/cri/runtime/plugin.go);
    1.x prints a Go structure instead, which is no evidence that can be relied on.
    """
    quoted = re.search(r'\bconfig=("(?:[^"\\]|\\.)*")', log)
    if quoted is None:
        return NotKnown()
    names = {"runtimeType": "runtime_type", "runtimePath": "runtime_path"}
    try:
        runtimes = json.loads(json.loads(quoted[1]))["containerd"]["runtimes"]
        table = runtimes.get(handler)
        return None if table is None else {names.get(name, name): value for name, value in table.items()}
    except MALFORMED_JSON:
        return NotKnown()


def same_table(loaded: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> bool:
    """Tell whether what is loaded is what is wanted; containerd adds defaults of its own to a table."""
    if loaded is None or wanted is None:
        return loaded is wanted
    had = loaded.get("options") or {}
    options = {"options": {**had, **wanted["options"]}}
    return {**loaded, **wanted, **options} == {**loaded, **options} and options["options"] == had


def is_what_was_read(daemon: Daemon, swapped: Iterable[Change]) -> bool:
    """Tell whether the configuration is what the daemon has read when it was started by a swap of files.

    What the swap put in place, and is there still, was read, whatever the times are: where the node's clock was
    set back in between, a file is newer than the process that has read it.
    """
    if daemon.config_changed_at is None:
        return True
    if any(isinstance(c.resource, ContainerdConfig) and c.after == daemon.config for c in swapped):
        return True
    return daemon.config_changed_at <= daemon.started_at + (MADE_SECONDS if daemon.source else 0.0)


def restart(
    daemon: Daemon,
    record: Record | None,
    runtime: Runtime,
    changes: tuple[Change, ...],
    imported: Mapping[str, Imported],
    *,
    served: bool,
) -> Restart | None:
    """Derive whether containerd must restart: what it has loaded is not what it is to serve, or to forget."""
    handler = runtime.handler
    loaded = loaded_runtime(daemon, record, handler, imported)
    table = runtime.table() if served else None
    edits = any(isinstance(change.resource, ContainerdConfig) for change in changes)
    if isinstance(loaded, NotKnown):
        reason = f"{daemon.config_path} changed after containerd started, and nothing shows what it has loaded"
    elif same_table(loaded, table):
        return None
    elif edits:
        verb = "serve" if served else "forget"
        reason = f"to {verb} the runtime handler {handler}; containerd cannot reload its configuration"
    else:
        reason = f"{daemon.edited_path} is right, but the running containerd has not loaded it"
    pending = pending_changes(daemon, record, runtime, imported)
    return Restart(daemon.unit, (reason,), pending, lost_changes(daemon))
