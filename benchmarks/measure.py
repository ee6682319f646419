"""Rounds of commands in turn, medians, ratios to the first command, and the line through the sizes of a fleet."""

import os
import statistics
import subprocess  # noqa: TID251  what is measured is a process
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.contenders import Contender

LEAST_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a command took: seconds by the clock, seconds of processors, and its largest memory in MiB.

    Processors and memory are those of the command and of what it waited for, on this machine.
    """

    seconds: float
    processor_seconds: float
    mebibytes: float


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of a contender's runs."""

    name: str
    seconds: float
    processor_seconds: float
    mebibytes: float
    slowest: float


def once(contender: Contender) -> Run:
    """Run a command; exit if it fails or does something else than the work."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        environment = {**os.environ, **contender.environment}
        started = subprocess.Popen(
            [*contender.argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=contender.folder,
        )
        _, status, used = os.wait4(started.pid, 0)
        seconds = time.perf_counter() - began
        started.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode(errors="replace")
    if started.returncode != 0 or contender.says not in said:
        sys.exit(
            f"{contender.name} ended with {started.returncode}, and its output has not {contender.says!r}:\n{said}"
        )
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def in_turn(
    contenders: Sequence[Contender], rounds: int, before_each: Callable[[], None] = lambda: None
) -> list[Result]:
    """Run each in turn with the others, so that what else the machine does meets all of them."""
    runs: dict[str, list[Run]] = {each.name: [] for each in contenders}
    for _ in range(max(rounds, LEAST_ROUNDS)):
        for each in contenders:
            before_each()
            runs[each.name].append(once(each))
    return [_result(name, found) for name, found in runs.items()]


def _result(name: str, runs: Sequence[Run]) -> Result:
    seconds = [run.seconds for run in runs]
    return Result(
        name,
        statistics.median(seconds),
        statistics.median(run.processor_seconds for run in runs),
        statistics.median(run.mebibytes for run in runs),
        max(seconds),
    )


def line(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Fit seconds = fixed + each * nodes by least squares; return both."""
    slope, fixed = statistics.linear_regression(*zip(*points, strict=True))
    return fixed, slope
