"""The commands that run on each host, as -v shows them: their names and times; with -vv also their text."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodeprov.cli.output import say
from nodeprov.redaction import redacted

if TYPE_CHECKING:
    from nodeprov.hosts.base import Script


class CommandLog:
    """Shows and counts the commands of each host; several threads run them, each one at a time.

    `clock` counts seconds.
    """

    def __init__(self, clock: Callable[[], float], *, with_text: bool) -> None:
        self._clock, self._with_text = clock, with_text
        self._counts: Counter[str] = Counter()
        self._running: dict[int, tuple[int, float]] = {}

    def on_command(self, host: str, script: Script[Any]) -> None:
        """Hear that a command begins."""
        self._counts[host] += 1
        self._running[threading.get_ident()] = (self._counts[host], self._clock())
        if self._with_text:
            say(f"{host}: command {self._counts[host]}: {script.name}\n{redacted(script.text)}")

    def on_ended(self, host: str, what: str) -> None:
        """Hear that the command of this thread has ended; `what` is what it was for."""
        number, began = self._running.pop(threading.get_ident())
        ended = " ended" if self._with_text else ""
        say(f"{host}: command {number}{ended}: {what}, {self._clock() - began:.2f} s")
