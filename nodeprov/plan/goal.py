"""Goals: what is wanted of a resource, and the changes that lead there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.plan.resources.base import Resource
from nodeprov.states import State


@dataclass(frozen=True, slots=True)
class Goal:
    """A resource, and a pure function from the state it has to the state wanted; both may be None, absent."""

    resource: Resource
    target: Callable[[Any], State | None]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A resource whose state is not the wanted one."""

    resource: Resource
    before: State | None
    after: State | None
    why: str = ""

    @property
    def collects(self) -> bool:
        """Tell whether it removes what is garbage-collected: at the end, and only what nothing needs."""
        return self.after is None and self.resource.collected


def decide(goals: Iterable[Goal], states: Mapping[str, State | None]) -> tuple[Change, ...]:
    """Compare what is with what is wanted; goals keep their order, a reached one gives no change."""
    changes = []
    for goal in goals:
        before = states[goal.resource.key]
        after = goal.target(before)
        if after != before:
            changes.append(Change(goal.resource, before, after, goal.why))
    return tuple(changes)


def constant(state: State | None) -> Callable[[Any], State | None]:
    """Want one state, whatever is there now."""
    return lambda _current: state
