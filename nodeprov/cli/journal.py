"""The journal on this machine: a line for the beginning and one for the end of each run that changes something."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeprov.errors import MALFORMED_JSON, NodeprovError, json_object, of_type

if TYPE_CHECKING:
    from nodeprov.reports.run import RunRecord

SCHEMA = 1
FILE, BEFORE, LOCK = "runs.jsonl", "runs.jsonl.1", "runs.lock"
LARGEST_BYTES = 4 << 20
"""A file that is larger becomes the one before, which is kept instead of the one that was: eight MiB in all."""
LOCK_SECONDS = 5.0


def journal_folder() -> Path:
    """Return the folder of the journal: nodeprov's in $XDG_STATE_HOME, by default ~/.local/state."""
    import platformdirs

    return Path(platformdirs.user_state_path("nodeprov"))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal has of a run: its beginning and, if it ended, how."""

    value: Mapping[str, Any]

    @property
    def nodes(self) -> Sequence[Mapping[str, Any]]:
        """What came of each node."""
        found: Sequence[Mapping[str, Any]] = self.value["nodes"]
        return found

    @property
    def has_ended(self) -> bool:
        """Tell whether the end of the run was written."""
        return bool(self.value["state"] == "ended")


class Journal:
    """The runs of this user on this machine, in a folder that only they may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE

    def append(self, record: RunRecord) -> None:
        """Write down a run, its beginning or its end; raise NodeprovError if that cannot be."""
        from filelock import FileLock, Timeout

        from nodeprov.reports.run import record_json

        line = json.dumps({"schema": SCHEMA, **record_json(record)}, separators=(",", ":"))
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self.folder / LOCK, timeout=LOCK_SECONDS, mode=0o600):
                self._rotate()
                self._write(f"{line}\n".encode())
        except Timeout:
            raise self._unwritten(f"another run holds {self.folder / LOCK}") from None
        except OSError as error:
            raise self._unwritten(str(error.strerror or error).lower()) from None

    def read(self) -> tuple[list[Entry], list[NodeprovError]]:
        """Read the runs in the order of their beginnings, and what is wrong with lines that are left out."""
        runs: dict[str, Entry] = {}
        damage: list[NodeprovError] = []
        for path in (self.folder / BEFORE, self.path):
            bad: dict[int, str] = {}
            for number, line in enumerate(self._lines(path), start=1):
                try:
                    entry = _understood(line)
                except MALFORMED_JSON as error:
                    bad[number] = " ".join(str(error).split())[:200]
                else:
                    runs[str(entry.value["run"])] = entry
            # All of a file at once: to delete one line gives those below it other numbers.
            lines = shlex.quote(";".join(f"{number}d" for number in bad))
            those = "it, delete it" if len(bad) == 1 else "all such lines, delete them at once"
            hint = f"to be rid of {those}: sed -i {lines} {shlex.quote(str(path))}"
            damage += [
                NodeprovError(f"this line is not an entry: {said}", hint, where=f"{path}:{number}")
                for number, said in bad.items()
            ]
        return list(runs.values()), damage

    def _lines(self, path: Path) -> Iterator[str]:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise NodeprovError(
                f"cannot be read: {error.strerror}", f"ls -ld {shlex.quote(str(path))}", where=str(path)
            ) from None
        yield from content.decode(errors="backslashreplace").splitlines()

    def _rotate(self) -> None:
        if self.path.exists() and self.path.stat().st_size > LARGEST_BYTES:
            self.path.replace(self.folder / BEFORE)

    def _write(self, line: bytes) -> None:
        """Append a line, or nothing: what is there of one that was cut short is ended first."""
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(handle, 0o600)
            size = os.fstat(handle).st_size
            is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            given = b"\n" + line if is_cut else line
            try:
                if os.write(handle, given) != len(given):
                    raise OSError(0, "no space left on device")
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)

    def _unwritten(self, why: str) -> NodeprovError:
        return NodeprovError(
            f"this run is not in the history: {why}",
            f"look at {shlex.quote(str(self.folder))}: is there room, and may you write? the run itself goes on",
            where=str(self.path),
        )


def _understood(line: str) -> Entry:
    """Read a line; raise one of MALFORMED_JSON if it is not as this program writes it."""
    value = json_object(line)
    if value["schema"] != SCHEMA:
        raise ValueError(f"its schema is {value['schema']!r:.20}, and {SCHEMA} is known")
    for name in ("run", "state", "began", "ended", "user", "controller", "command", "action", "report"):
        of_type(str, value[name])
    for release in of_type(list, value["releases"]):
        of_type(str, release)
    for node in of_type(list, value["nodes"]):
        for name in ("node", "result", "said"):
            of_type(str, of_type(dict, node)[name])
        of_type(int, node["changed"])
        of_type(bool, node["restarted"])
        if type(node["seconds"]) is not int and node["seconds"] is not None:
            of_type(float, node["seconds"])
    for error in of_type(list, value.get("errors") or []):
        of_type(dict, error)
    return Entry(value)
