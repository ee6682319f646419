"""Which nodes are begun next: canaries, zones, the control plane, and how many may be out of service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from nodeprov.dispatch.marks import BETWEEN, DONE, FAILED, Last
from nodeprov.dispatch.views import NodeView
from nodeprov.engine.rollout import CONTROL_PLANE, ZONE
from nodeprov.engine.waves import Member, first_wave
from nodeprov.engine.window import Schedule
from nodeprov.errors import NodeprovError
from nodeprov.inventory import RolloutSettings

CHANGING = "being changed"
_SERVES = Member(name="a node that serves, and on which nothing is to be done", is_due=False)
"""One for all of them: they are only counted, and of ten thousand nodes nearly all are in the end."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of a time that is none: anybody may edit a Node."""
STAGED_AT_ONCE = 100
"""No node is out of service while something is brought to it; but all of them ask one registry."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What may be begun now.

    Args:
        nodes: which.
        why_not: why no other one is begun; "" if nothing is left, or more may be begun later.
        is_over: whether this run begins no other one, however long it waits.
    """

    nodes: tuple[str, ...] = ()
    why_not: str = ""
    is_over: bool = False


@dataclass(frozen=True)
class Standing:
    """How the nodes of a run stand, all of it read from what they carry.

    Args:
        nodes: all that are meant.
        due: those that are still to be done, in order.
        changing: those that a run has now.
        run: its name.
        stages: whether it only stages: what it has done is told by another mark then.
    """

    nodes: Mapping[str, NodeView]
    due: Sequence[str]
    changing: AbstractSet[str]
    run: str
    stages: bool = False

    @cached_property
    def failed(self) -> list[str]:
        """The nodes that have failed in this run."""
        marks = {each.name: self._mark(each) for each in self._ended}
        return [name for name, mark in marks.items() if mark and mark.result in (FAILED, BETWEEN)]

    @cached_property
    def _ended(self) -> list[NodeView]:
        ended = (each for each in self.nodes.values() if not each.claim)
        return [each for each in ended if (mark := self._mark(each)) and mark.run == self.run]

    def _mark(self, node: NodeView) -> Last | None:
        return node.staged if self.stages else node.last

    @property
    def begun(self) -> int:
        """How many nodes this run has begun; a canary that is done a second time is one of both kinds."""
        return len({each.name for each in self._ended} | self.changing)

    @property
    def unsoaked(self) -> list[NodeView]:
        """The nodes that this run has done once: the canaries, until they are tested again."""
        return [each for each in self._ended if each.last and each.last.result == DONE and not each.last.soaked]


def turn(standing: Standing, rollout: RolloutSettings, schedule: Schedule, now: str) -> Turn:
    """Say which nodes are begun now; `now` is UTC in ISO 8601."""
    if not standing.due:
        return Turn()
    if len(standing.failed) >= rollout.max_failures:
        failed = standing.failed
        named = " and ".join(failed[:3]) + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")
        return Turn(why_not=f"{named} failed", is_over=True)
    if standing.stages:
        return Turn(tuple(standing.due[: max(0, STAGED_AT_ONCE - len(standing.changing))]))
    if schedule.seconds_left(now) == 0:
        return Turn(why_not=_closed(schedule, now), is_over=True)
    if (canaries := _of_canaries(standing, rollout, now)) is not None:
        return canaries
    names, why = _next(standing, rollout)
    if why:
        return Turn(why_not=why, is_over=True)
    in_time = schedule.in_time(names, now)
    if names and not in_time:
        return Turn(why_not="the window closes before another node would be done", is_over=True)
    return Turn(in_time)


def _closed(schedule: Schedule, now: str) -> str:
    window = schedule.window
    opening = window.opens(datetime.fromisoformat(now)) if window else None
    when = f"until {window.local(opening)}" if window and opening else "within a year"
    return f"the window is closed {when}"


def _of_canaries(standing: Standing, rollout: RolloutSettings, now: str) -> Turn | None:
    """Say what is done while the canaries are tried: they soak, and are done once more; None if others follow."""
    if not rollout.canary or standing.begun != min(rollout.canary, standing.begun + len(standing.due)):
        return None
    if standing.changing:
        return Turn(why_not="the canary nodes are being changed")
    if not (rollout.soak_seconds and standing.unsoaked):
        return None
    ended = [at for each in standing.unsoaked if each.last and (at := each.last.ended_at)]
    ready = max(ended, default=_LONG_AGO) + timedelta(seconds=rollout.soak_seconds)
    if datetime.fromisoformat(now) < ready:
        return Turn(why_not=f"the canary nodes soak until {ready:%Y-%m-%d %H:%M:%S} UTC")
    return Turn(tuple(each.name for each in standing.unsoaked), "the canary nodes are tested once more")


def _next(standing: Standing, rollout: RolloutSettings) -> tuple[tuple[str, ...], str]:
    """Name the first nodes of the order that may go with those that are being changed."""
    going = [standing.nodes[name] for name in standing.changing if name in standing.nodes]
    if going and (not rollout.max_unavailable or any(_controls(each) for each in going)):
        return (), ""
    due = set(standing.due)
    members = [_member(each, standing, is_due=each.name in due) for each in _sorted(standing)]
    left = max(0, min(rollout.canary - standing.begun, len(members)))
    try:
        wave = first_wave(members, replace(rollout, canary=left))
    except NodeprovError as error:
        return (), "" if going else str(error.at("the nodes")).partition("\n")[0]
    if wave is None:
        return (), ""
    first = standing.nodes[wave.nodes[0]]
    is_elsewhere = not rollout.allow_two_zones and any(_zone(each) != _zone(first) for each in going)
    return ((), "") if going and (_controls(first) or is_elsewhere) else (wave.nodes, "")


def _sorted(standing: Standing) -> list[NodeView]:
    """Put nodes of the zone first in which some are being changed: others wait for it."""
    zones = {_zone(standing.nodes[name]) for name in standing.changing if name in standing.nodes}
    return sorted(standing.nodes.values(), key=lambda each: _zone(each) not in zones)


def _member(node: NodeView, standing: Standing, *, is_due: bool) -> Member:
    is_changing = node.name in standing.changing
    if not is_due and not is_changing and not node.unavailable:
        return _SERVES
    return Member(
        name=node.name,
        is_due=is_due,
        zone=_zone(node),
        controls=_controls(node),
        unavailable=CHANGING if is_changing else node.unavailable,
    )


def _controls(node: NodeView) -> bool:
    return CONTROL_PLANE in node.labels


def _zone(node: NodeView) -> str:
    return node.labels.get(ZONE, "")
