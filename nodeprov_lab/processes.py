"""What runs beside this program: calls in threads, and processes that outlive it, known by their start time."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

_KILL_TIMEOUT_SECONDS = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Process:
    """A process id and its start time, in clock ticks: a later process may have the same id."""

    pid: int
    started: int


def parse_start_time(stat: str) -> int:
    """Read the start time from the text of /proc/PID/stat; the program's name in it may hold anything."""
    return int(stat.rpartition(")")[2].split()[19])


def process(pid: int) -> Process | None:
    """Look at a process; one that has ended and was not waited for counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    is_zombie = stat.rpartition(")")[2].split()[0] == "Z"
    return None if is_zombie else Process(pid, parse_start_time(stat))


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


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Call all at the same time and return what they returned, in order; raise the first one's error.

    The only threads of the labs: machines boot independently of each other, and three boots one after another
    take three times as long. All calls have ended when this returns or raises, but for an interrupt by the user:
    the threads are daemons (an executor's are not), so that it ends the process and with it what they wait for.
    """
    futures: list[Future[T]] = []
    for call in calls:
        future: Future[T] = Future()
        futures.append(future)
        Thread(target=_call, args=(call, future), daemon=True).start()
    wait(futures)
    return [future.result() for future in futures]


def _call(call: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
