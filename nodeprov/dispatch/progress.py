"""How far one dispatcher has come with each node; another one finds all that matters in the cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable


class Progress:
    """What is under way for nodes, since when, and what is not tried again yet.

    Attributes:
        busy: the nodes for which a step is being taken.
        pods_made: how many pods were made for each node in this run.
        held_up: the nodes that have waited for the end of pods: how long these took tells nothing of others.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin without any node; `monotonic` tells the seconds of a clock that nobody sets."""
        self.busy: set[str] = set()
        self.pods_made: Counter[str] = Counter()
        self.held_up: set[str] = set()
        self._monotonic = monotonic
        self._begun_at: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._since: dict[str, tuple[Hashable, float]] = {}
        self._told: dict[str, Hashable] = {}

    def may_go_on(self, name: str) -> bool:
        """Tell whether a step may be taken for a node now."""
        return name not in self.busy and self._monotonic() >= self._not_before.get(name, 0.0)

    def begin(self, name: str) -> None:
        """Take it that a node is begun now."""
        self._begun_at[name] = self._monotonic()

    def postpone(self, name: str, seconds: float) -> None:
        """Take no step for a node for a while."""
        self._not_before[name] = self._monotonic() + seconds

    def waited(self, name: str, state: Hashable) -> float:
        """Return for how many seconds a node has been in a state."""
        now = self._monotonic()
        before, since = self._since.get(name, (None, now))
        if before != state:
            since = now
            self._since[name] = (state, now)
        return now - since

    def is_news(self, name: str, what: Hashable) -> bool:
        """Tell whether this was not told of a node yet."""
        was = self._told.get(name)
        self._told[name] = what
        return was != what

    def finish(self, name: str) -> float | None:
        """Forget a node whose run has ended; return its seconds, or None if another dispatcher has begun it."""
        began = self._begun_at.pop(name, None)
        self.pods_made.pop(name, None)
        self.held_up.discard(name)
        self._since.pop(name, None)
        self._told.pop(name, None)
        return None if began is None else self._monotonic() - began

    def leave(self, name: str) -> None:
        """Forget what is waited for of a node that is not in work."""
        self._since.pop(name, None)
        self._not_before.pop(name, None)
