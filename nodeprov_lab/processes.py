"""Processes that outlive the program that started them, known again by their start time."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_KILL_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process id and the start time that tells it from a later process with the same id, in clock ticks."""

    pid: int
    started: int


def parse_start_time(stat: str) -> int:
    """Read the start time from the text of /proc/PID/stat; the program's name in it may hold anything."""
    return int(stat.rpartition(")")[2].split()[19])


def parse_state(stat: str) -> str:
    """Read the one-letter state from the text of /proc/PID/stat."""
    return stat.rpartition(")")[2].split()[0]


def process(pid: int) -> Process | None:
    """Look at a process; one that has ended and was not waited for counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if parse_state(stat) == "Z" else Process(pid, parse_start_time(stat))


def record(pid: int, file: Path) -> None:
    """Write down which process it is."""
    found = process(pid)
    if found is not None:
        file.write_text(f"{found.pid} {found.started}\n")


def recorded(file: Path) -> Process | None:
    """Return the process that was written down, if it still runs."""
    try:
        pid, started = map(int, file.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    found = process(pid)
    return found if found == Process(pid, started) else None


def ending_with_us(argv: Sequence[str]) -> list[str]:
    """Write the command that runs a program which is ended when we are, were it by SIGKILL."""
    return ["setpriv", "--pdeathsig", "KILL", *argv]


def kill_all(find: Callable[[], Collection[int]]) -> Collection[int]:
    """Kill what `find` finds until it finds nothing; return what would not go."""
    deadline = time.monotonic() + _KILL_TIMEOUT_SECONDS
    while (pids := find()) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return pids
