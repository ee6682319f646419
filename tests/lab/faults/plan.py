"""Which fault is acted in which life, and where: from a seed, so that it can be repeated."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.lab.faults.record import Record
from tests.lab.faults.table import ACTIONS, FAULTS, MOUNTS, PLAIN, SUDO, Fault
from tests.lab.faults.watching import Point

LIVES = 64
"""Of a full run; more than the most operations that an action has, so that each of them meets a fault."""
_GROUPS = (PLAIN, PLAIN, MOUNTS, PLAIN, PLAIN, PLAIN, MOUNTS, PLAIN, SUDO, PLAIN)


@dataclass(frozen=True)
class Case:
    """A fault at a point of an action."""

    action: str
    fault: Fault
    point: Point


@dataclass(frozen=True)
class Life:
    """A case for each action, all on a node of one kind."""

    group: str
    cases: Mapping[str, Case]


QUICK = tuple(fault for fault in FAULTS if not fault.is_slow)
"""What a sample is picked from: the others wait for something that does not come."""


def group_of(number: int) -> str:
    """Say what kind of node a life is on."""
    return _GROUPS[number % len(_GROUPS)]


def full_plan(record: Record, seed: str, faults: Sequence[Fault] = FAULTS) -> list[Life]:
    """Plan all lives of a full run, or those with some of the faults only."""
    by_action = {
        action: _cases(record.points[action], action, faults, random.Random(f"{seed} {action}"))
        for action in ACTIONS
    }
    return [Life(group_of(i), {action: by_action[action][i] for action in ACTIONS}) for i in range(LIVES)]


def _cases(points: Sequence[Point], action: str, faults: Sequence[Fault], rng: random.Random) -> list[Case]:
    musts = [
        (fault, point)
        for fault in faults
        for must in fault.must
        if must.action == action
        for point in [_find(points, must.what, must.when)]
    ]
    rng.shuffle(musts)
    numbers = sorted({point.operation.number for point in points})
    rng.shuffle(numbers)
    uses: Counter[str] = Counter()
    cases = []
    for life in range(LIVES):
        group = group_of(life)
        fixed = next((each for each in musts if each[0].group == group), None)
        if fixed is not None:
            musts.remove(fixed)
            fault, point = fixed
        else:
            fault = _least_used(
                [f for f in faults if f.group == group and f.anywhere and action in f.actions], uses, rng
            )
            number = numbers.pop()
            numbers.insert(0, number)
            point = rng.choice([p for p in points if p.operation.number == number and p.when in fault.whens])
        uses[fault.name] += 1
        cases.append(Case(action, fault, point))
    return cases


def _find(points: Sequence[Point], what: tuple[str, ...], when: str) -> Point:
    return next(point for point in points if point.operation.what.endswith(what) and point.when == when)


def _least_used(faults: Sequence[Fault], uses: Counter[str], rng: random.Random) -> Fault:
    return min(faults, key=lambda fault: ((uses[fault.name] + 1) / fault.weight, rng.random()))


def kills(record: Record, seed: str, number: int) -> Life:
    """Plan a life in which every action is killed at a random moment."""
    rng = random.Random(f"{seed} kill {number}")
    kill = next(fault for fault in FAULTS if fault.name == "kill -9")
    return Life(PLAIN, {action: Case(action, kill, rng.choice(record.points[action])) for action in ACTIONS})


def short_life(record: Record, seed: str, number: int) -> Life:
    """Plan another life than that of ACTIONS, the one that was recorded: any fault, anywhere in each run."""
    rng = random.Random(f"{seed} {record.actions[0]} {number}")
    faults = [fault for fault in QUICK if fault.group == PLAIN and fault.anywhere]
    cases = {}
    for action in record.actions:
        (fault,) = rng.choices(faults, [each.weight for each in faults])
        point = rng.choice([each for each in record.points[action] if each.when in fault.whens])
        cases[action] = Case(action, fault, point)
    return Life(PLAIN, cases)
