"""Rounds of commands in turn, medians, ratios to the first command, and the line through the sizes of a fleet."""

import compileall
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apart import Run, run_apart
from benchmarks.contenders import Contender

LEAST_ROUNDS = 7
CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of a contender's runs."""

    name: str
    seconds: float
    processor_seconds: float
    mebibytes: float
    slowest: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Line:
    """What fits best: value = fixed + each * nodes; and how much of what differs it explains (1 is all)."""

    fixed: float
    each: float
    explained: float


Measured = Callable[[Contender], Run]


def compiled() -> None:
    """Compile nodeprov, as pip does when it installs it; else each run may do it anew."""
    for package in ("nodeprov", "nodeprov_lab"):
        compileall.compile_dir(CHECKOUT / package, quiet=1)


def once(contender: Contender) -> Run:
    """Run a command; exit if it fails or does something else than the work."""
    with tempfile.TemporaryFile() as out:
        environment = {**os.environ, **contender.environment}
        code, run = run_apart(
            contender.argv, out, environment=environment, folder=contender.folder, with_errors=True
        )
        out.seek(0)
        said = out.read().decode(errors="replace")
    if code != 0 or contender.says not in said:
        sys.exit(f"{contender.name} ended with {code}, and its output has not {contender.says!r}:\n{said}")
    return run


def in_turn(contenders: Sequence[Contender], rounds: int, measured: Measured = once) -> list[Result]:
    """Run each in turn with the others, so that what else the machine does meets all of them."""
    runs: dict[str, list[Run]] = {each.name: [] for each in contenders}
    for number in range(rounds):
        for each in contenders:
            if each.most_rounds is not None and number >= each.most_rounds:
                continue
            for before in each.before:
                once(before)
            runs[each.name].append(measured(each))
    return [_result(name, found) for name, found in runs.items()]


def _result(name: str, runs: Sequence[Run]) -> Result:
    seconds = [run.seconds for run in runs]
    return Result(
        name,
        statistics.median(seconds),
        statistics.median(run.processor_seconds for run in runs),
        statistics.median(run.mebibytes for run in runs),
        max(seconds),
        len(runs),
    )


def line(points: Sequence[tuple[int, float]]) -> Line:
    """Fit a line through values by the number of nodes, by least squares."""
    sizes, values = zip(*points, strict=True)
    slope, fixed = statistics.linear_regression(sizes, values)
    return Line(fixed, slope, statistics.correlation(sizes, values) ** 2)
