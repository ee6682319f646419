"""A maintenance window: when nodes may be changed, and which of them will be done before it closes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import combinations
from statistics import median
from types import MappingProxyType
from typing import Any

from nodeprov.engine.context import seconds_between
from nodeprov.errors import MALFORMED, NodeprovError
from nodeprov.inventory import RolloutSettings
from nodeprov.inventory.syntax import DAYS
from nodeprov.node.receipts import DONE, Receipt

UNKNOWN_SECONDS = 300.0
"""What a node is taken to need of which, and of whose fellows, nothing is known."""
SAFETY = 1.5
WINDOW = "--window"
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_DAYS_AHEAD = 400
"""How far the next opening is looked for."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the day in a time zone, on some days, and on no frozen date."""

    begin: time
    end: time
    """00:00 is the end of the day."""
    zone: tzinfo
    name: str
    days: frozenset[int] = frozenset(range(7))
    """The days on which it begins; 0 is Monday."""
    frozen: tuple[tuple[date, date], ...] = ()

    @classmethod
    def of(cls, settings: RolloutSettings) -> Window | None:
        """Return the window that the settings have; None if nodes may be changed at any time."""
        if settings.window is None and not settings.freeze:
            return None
        begin, end = (settings.window or "00:00-24:00").split("-")
        frozen = tuple((days[0], days[-1]) for days in map(_dates, settings.freeze))
        return cls(
            time.fromisoformat(begin),
            time() if end == "24:00" else time.fromisoformat(end),
            _zone(settings.time_zone),
            f"{begin}-{end} {settings.time_zone}",
            frozenset(map(DAYS.index, settings.days or DAYS)),
            frozen,
        )

    def closes(self, now: datetime) -> datetime | None:
        """Return when it closes, if it is open now; times are UTC."""
        today = now.astimezone(self.zone).date()
        for day in (today - _DAY, today):
            opening, closing = self._span(day)
            if opening <= now < closing:
                return self._last_closing(day, closing)
        return None

    def _last_closing(self, day: date, closing: datetime) -> datetime:
        """Return when it closes for good: it may open again in the same moment."""
        for ahead in range(1, _DAYS_AHEAD):
            opening, next_closing = self._span(day + ahead * _DAY)
            if opening != closing or opening == next_closing:
                break
            closing = next_closing
        return closing

    def opens(self, now: datetime) -> datetime | None:
        """Return when it opens next; None if it does not within a year."""
        today = now.astimezone(self.zone).date()
        for ahead in range(_DAYS_AHEAD):
            opening, closing = self._span(today + ahead * _DAY)
            if now < opening < closing:
                return opening
        return None

    def next_span(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Return from when on it is open, which may be now, and until when; None if it is not within a year."""
        opening = now if self.closes(now) else self.opens(now)
        closing = opening and self.closes(opening)
        return (opening, closing) if opening and closing else None

    def seconds_left(self, now: datetime) -> float:
        """Return for how many seconds it is still open."""
        closing = self.closes(now)
        return (closing - now).total_seconds() if closing else 0.0

    def insist_on_open(self, now: datetime) -> None:
        """Raise NodeprovError, with when it opens next, if it is closed."""
        if self.closes(now):
            return
        opening = self.opens(now)
        if opening is None:
            said = f"the window {self.name} does not open within a year"
            raise NodeprovError(said, "look at [rollout] days and freeze in the inventory")
        closing = self._what_closes(now)
        raise NodeprovError(
            f"the window {self.name} is closed{_because(closing, now.astimezone(self.zone))}; nothing was changed",
            f"run this again when it opens, at {self.local(opening)}; or {_way_out(closing)}",
        )

    def _what_closes(self, now: datetime) -> tuple[str, ...]:
        """Name the settings that keep it closed: the fewest without which it would be open now."""
        without: dict[str, dict[str, Any]] = {
            WINDOW: {"begin": time(), "end": time()},
            "rollout.days": {"days": frozenset(range(7))},
            "rollout.freeze": {"frozen": ()},
        }
        for count in range(1, len(without)):
            for names in combinations(without, count):
                changes = {name: value for each in names for name, value in without[each].items()}
                if replace(self, **changes).closes(now):
                    return names
        return (*without,)

    def local(self, moment: datetime) -> str:
        """Write a time for a person, in the window's zone."""
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M")

    def _span(self, day: date) -> tuple[datetime, datetime]:
        """Return when it opens and closes that begins on a day; the same time twice if it does not.

        It ends where a frozen date begins.
        """
        opening = self._moment(day, self.begin)
        if day.weekday() not in self.days or self._is_frozen(day):
            return opening, opening
        next_day = day + _DAY
        if self.end > self.begin:
            return opening, self._moment(day, self.end)
        return opening, self._moment(next_day, time() if self._is_frozen(next_day) else self.end)

    def _is_frozen(self, day: date) -> bool:
        return any(first <= day <= last for first, last in self.frozen)

    def _moment(self, day: date, clock: time) -> datetime:
        """Return when the clocks on the wall first show a time, or a later one where it is skipped."""
        shown = datetime.combine(day, clock)
        moment = min(shown.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        while moment.astimezone(self.zone).replace(tzinfo=None) < shown:
            moment += _MINUTE
        return moment


def _because(closing: Sequence[str], today: datetime) -> str:
    """Say what keeps the window closed, where it is not the time alone."""
    why = {
        "rollout.days": f"it does not begin on a {today:%A}",
        "rollout.freeze": f"{today:%Y-%m-%d} is a frozen date",
    }
    found = " and ".join(why[each] for each in closing if each in why)
    return f": {found}" if found else ""


def _way_out(closing: Sequence[str]) -> str:
    """Say what to add to a command so that it does not matter what keeps the window closed."""
    if closing == (WINDOW,):
        return f"give another one: {WINDOW} FROM-TO"
    options = [f"{WINDOW} FROM-TO" if each == WINDOW else f"--set '{each}=[]'" for each in closing]
    return f"add {' '.join(options)} (for a saved plan, when it is made: nodeprov plan)"


def _dates(text: str) -> list[date]:
    return [date.fromisoformat(each) for each in text.split("/")]


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # only where one is set

    return ZoneInfo(name)


class Experience:
    """How long nodes take, learned from their receipts, and from this run as it goes on."""

    def __init__(
        self,
        receipts: Mapping[str, Iterable[Receipt]],
        action: str,
        waits: Mapping[str, float] = MappingProxyType({}),
        waits_each: float = 0.0,
    ) -> None:
        """Learn from each node's receipts how long its runs of an action took that ended well.

        `waits` has for how many seconds a node may have to wait for pods besides; `waits_each` is for all others.
        """
        self._waits, self._waits_each = waits, waits_each
        self._of_nodes = {name: _durations(each, action) for name, each in receipts.items()}
        self._now: list[float] = []

    def learn(self, seconds: float) -> None:
        """Learn how long a node took in this run."""
        self._now.append(seconds)

    def seconds(self, name: str) -> float:
        """Return how long a node is expected to take at most.

        That is half as much again as its own runs took, or those of all nodes where it has none, and no less than
        any node of this run; and for how long it may wait for pods.
        """
        own = self._of_nodes.get(name) or [each for some in self._of_nodes.values() for each in some]
        known = [*([median(own)] if own else []), *self._now]
        return (SAFETY * max(known) if known else UNKNOWN_SECONDS) + self._waits.get(name, self._waits_each)


def _durations(receipts: Iterable[Receipt], action: str) -> list[float]:
    """Return how many seconds runs took.

    One that was interrupted tells nothing: the next run has closed it, in the same moment as itself.
    """
    by_end = {each.ended: each for each in sorted(receipts, key=lambda each: each.number)}
    ended = [each for each in by_end.values() if each.state == DONE and each.action == action]
    return [seconds for each in ended if (seconds := _seconds(each)) is not None]


def _seconds(receipt: Receipt) -> float | None:
    try:
        return max(1.0, seconds_between(receipt.began, receipt.ended))
    except (*MALFORMED, TypeError):
        return None  # times that an earlier nodeprov or a person has written


class Schedule:
    """When the nodes of a rollout may be changed, and which of them will be done in time."""

    def __init__(self, settings: RolloutSettings, experience: Experience) -> None:
        self.window = Window.of(settings)
        self.experience = experience

    def insist_on_open(self, now: str) -> None:
        """Raise NodeprovError if the window is closed; `now` is UTC in ISO 8601."""
        if self.window is not None:
            self.window.insist_on_open(datetime.fromisoformat(now))

    def seconds_left(self, now: str) -> float | None:
        """Return for how many seconds the window is open; None if nodes may be changed at any time."""
        return None if self.window is None else self.window.seconds_left(datetime.fromisoformat(now))

    def in_time(self, names: Sequence[str], now: str) -> tuple[str, ...]:
        """Name those of some nodes that will be done before the window closes."""
        left = self.seconds_left(now)
        return tuple(name for name in names if left is None or self.experience.seconds(name) <= left)

    def that_fit(self, waves: Iterable[tuple[Sequence[str], float]], seconds_left: float) -> tuple[str, ...]:
        """Name the nodes of waves that will be done in so many seconds.

        Each wave has its nodes, and the seconds that are waited after it. Where one does not fit, no later wave is
        begun.
        """
        found: list[str] = []
        for names, pause_seconds in waves:
            needed = {name: self.experience.seconds(name) for name in names}
            found += [name for name, seconds in needed.items() if seconds <= seconds_left]
            if max(needed.values()) > seconds_left:
                break
            seconds_left -= max(needed.values()) + pause_seconds
        return tuple(found)

    @property
    def why_closed(self) -> str:
        """Say why no other node is begun."""
        return f"it would not be done before the window {self.window.name} closes" if self.window else ""
