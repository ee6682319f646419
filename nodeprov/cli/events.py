"""The events of a run as JSON lines, for programs that follow it: `--events FILE`."""

from __future__ import annotations

import errno
import json
import os
import select
import stat
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeprov.engine.events import NodeEvent, WaveEvent
from nodeprov.errors import MALFORMED_JSON, NodeprovError, UsageError, json_object
from nodeprov.local_files import in_words
from nodeprov.redaction import redacted, without_userinfo
from nodeprov.reports.outcome import errors_json, outcome_json
from nodeprov.reports.plan import part_json, plan_json
from nodeprov.reports.run import RunRecord, record_json

if TYPE_CHECKING:
    from nodeprov.plan.plan import Outcome
    from nodeprov.plan.steps import Event

SCHEMA = 1
"""Raised when a field of an event changes its meaning or goes; docs/json.md describes them."""
UPLOAD_SECONDS = 1.0
"""An upload is told once in so many seconds, and at its end."""
PATIENCE_SECONDS = 10.0
"""So long a run waits for somebody who reads a pipe slowly; then it goes on without."""
_ANOTHER = "name another file: --events FILE"
_OF_A_STEP = ("step", "resource", "place", "unit", "resources", "pods", "name", "title", "subject")
"""What an event has of a step; its content is in the plan, which the first event has."""


def check_events(path: Path) -> None:
    """Raise UsageError, before anything is begun, if events could not be written there."""
    if str(path) == "-":
        raise UsageError(
            "--events -: standard output has the result already",
            "name a file or a pipe: --events events.jsonl, or in bash --events >(PROGRAM)",
        )
    with in_words(f"--events {path}", _ANOTHER):
        if path.is_dir():
            raise UsageError(f"--events {path}: it is a folder", _ANOTHER)
        if path.is_file() and not _is_ours(path):
            raise UsageError(f"--events {path}: it exists and does not contain events of nodeprov", _ANOTHER)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"--events {path}: it cannot be written", _ANOTHER)


def _is_ours(path: Path) -> bool:
    """Tell whether a file is empty, or begins with an event."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 24)
        return not first or json_object(first.decode())["event"] == "begun"
    except (OSError, *MALFORMED_JSON):
        return False


def _written(handle: int, data: memoryview) -> int:
    """Write what there is room for; raise OSError if there is none for too long."""
    if not select.select([], [handle], [], PATIENCE_SECONDS)[1]:
        raise OSError(errno.EAGAIN, "no program reads them")
    try:
        return os.write(handle, data)
    except BlockingIOError:  # less room than a pipe writes at once
        return os.write(handle, data[:1])


class EventStream:
    """Writes events; where that fails it is said once, and the run goes on. Several threads call it."""

    def __init__(
        self,
        path: Path,
        on_error: Callable[[NodeprovError], None],
        *,
        utc_now: Callable[[], str] = lambda: datetime.now(UTC).isoformat(timespec="milliseconds"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._utc_now, self._clock, self._on_error = path, utc_now, clock, on_error
        self._lock = threading.RLock()
        self._told: dict[tuple[str, str], float] = {}
        self._handle: int | None = None
        try:
            # Not to wait for somebody who opens a pipe, or reads it: a run would hang, and its signals with it.
            handle = self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            if stat.S_ISREG(os.fstat(handle).st_mode):
                os.ftruncate(handle, 0)
        except OSError as error:
            self._give_up(error)

    def begin(self, record: RunRecord) -> None:
        """Tell what is to be done."""
        known = record_json(record)
        names = ("run", "command", "action", "user", "controller", "version")
        plans = [plan_json(each.plan) for each in record.nodes]
        self._tell(
            "begun", **{name: known[name] for name in names}, plans=plans, errors=errors_json(record.errors)
        )

    def end(self, record: RunRecord) -> None:
        """Tell what came of it, and close the file."""
        known = record_json(record)
        self._tell("ended", run=known["run"], nodes=known["nodes"], errors=known["errors"])
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def on_event(self, event: Event) -> None:
        """Tell of a step."""
        found = part_json(event.step)
        named = {name: found[name] for name in _OF_A_STEP if name in found}
        self._tell("step", node=event.node, phase=event.phase, **named, said=redacted(event.said))

    def on_upload(self, node: str, what: str, done: int, total: int) -> None:
        """Tell of an upload."""
        with self._lock:
            now, before = self._clock(), self._told.get((node, what))
            if before is not None and now - before < UPLOAD_SECONDS and done < total:
                return
            self._told[node, what] = now
        self._tell("upload", node=node, what=what, bytes=done, total_bytes=total)

    def on_rollout(self, event: NodeEvent | WaveEvent) -> None:
        """Tell of a node or a wave."""
        if isinstance(event, WaveEvent):
            where = {"number": event.number, "total": event.total, "kind": event.kind}
            self._tell("wave", state=event.state, **where, nodes=list(event.nodes))
        else:
            said = redacted(event.said)
            self._tell("node", node=event.node, state=event.state, said=said, seconds=event.seconds)

    def on_outcome(self, outcome: Outcome) -> None:
        """Tell how a node's run has ended."""
        self._tell("outcome", **{name: value for name, value in outcome_json(outcome).items() if name != "schema"})

    def _tell(self, name: str, /, **fields: Any) -> None:
        value = {"schema": SCHEMA, "event": name, "at": self._utc_now(), **fields}
        line = without_userinfo(json.dumps(value, separators=(",", ":")))
        with self._lock:
            rest = memoryview(f"{line}\n".encode())
            try:
                while rest and self._handle is not None:
                    rest = rest[_written(self._handle, rest) :]
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        why = (
            "no program has opened the pipe"
            if error.errno == errno.ENXIO
            else (error.strerror or str(error)).lower()
        )
        said = f"events cannot be written any more: {why}"
        self._on_error(
            NodeprovError(said, "the run goes on without; --json has the result", where=str(self._path))
        )
