"""What a run does to its hosts, numbered; told to whoever watches, and stopped where that one wants it."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodeprov.hosts.shell import ShellHost
from nodeprov.hosts.ssh.host import SshHost

FDS = "NODEPROV_FAULTS_FDS"
STOP = "NODEPROV_FAULTS_STOP"
BEFORE, DURING, AFTER = "before", "during", "after"
GO, BACK, AHEAD = b"g", b"b", b"a"
"""What the watcher answers: go on, or go on with a clock that has jumped by an hour."""
HOURS = {BACK: -1, AHEAD: 1}


@dataclass(frozen=True)
class Operation:
    """One thing that is done to a host, in a run's order."""

    number: int
    nth: int
    """Of those that do the same on the same host."""
    host: str
    what: str

    @property
    def name(self) -> str:
        """What it is known by in any run."""
        return f"{self.nth} {self.host} {self.what}"


class Watched:
    """Tells of each operation before and after it, and waits for an answer where it was told to stop."""

    def __init__(self) -> None:
        told, asked = map(int, os.environ[FDS].split(","))
        self._told, self._asked = told, asked
        self._stop = os.environ.get(STOP, "")
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: dict[str, str] = {}
        self._inside = threading.local()
        self.clock_hours = 0

    def hook(self) -> None:
        """Have every host of this process tell of its operations."""
        for name in ("write_file", "write_link", "write_tree", "remove", "ask", "run"):
            setattr(ShellHost, name, self._named(name, getattr(ShellHost, name)))
        for name in ("execute", "upload", "hold"):
            setattr(SshHost, name, self._told_of(name, getattr(SshHost, name)))

    def _named(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(host: Any, *arguments: Any, **options: Any) -> Any:
            outer = getattr(self._inside, "what", "")
            self._inside.what = outer or name_of(name, arguments)
            try:
                return original(host, *arguments, **options)
            finally:
                self._inside.what = outer

        return method

    def _told_of(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(host: Any, *arguments: Any, **options: Any) -> Any:
            if getattr(self._inside, "operating", False):
                return original(host, *arguments, **options)
            what = getattr(self._inside, "what", "") or name
            if name == "upload":
                what += ": upload"
            with self.operation(host.name, what):
                return original(host, *arguments, **options)

        return method

    @contextmanager
    def operation(self, host: str, what: str) -> Iterator[None]:
        """Count and report one operation.

        A question that is asked again at once is a wait. How often it is asked depends on the time that the
        node takes, and so all of it counts as one operation: each run has that, and under the same name.
        """
        with self._lock:
            is_waiting = what.startswith("ask ") and self._last.get(host) == what
            self._last[host] = what
            if not is_waiting:
                self._counts[host, what] += 1
            operation = Operation(self._counts.total(), self._counts[host, what], host, what)
        self._inside.operating = True
        try:
            with contextlib.nullcontext() if is_waiting else self._telling(operation):
                yield
        finally:
            self._inside.operating = False

    @contextmanager
    def _telling(self, operation: Operation) -> Iterator[None]:
        self._tell(BEFORE, operation)
        try:
            yield
        finally:
            self._tell(AFTER, operation)

    def _tell(self, when: str, operation: Operation) -> None:
        os.write(self._told, f"{when} {operation.number} {operation.name}\n".encode())
        if f"{when} {operation.name}" == self._stop:
            self.clock_hours = HOURS.get(os.read(self._asked, 1), 0)


def name_of(name: str, arguments: tuple[Any, ...]) -> str:
    """Name an operation by what does not differ from run to run."""
    first = arguments[0]
    if name == "run":
        return f"run {first.name}"
    if name == "ask":
        return "ask " + " ".join(dict.fromkeys(_asked(query) for query in first))
    return f"{name} {re.sub(r'/receipts/[0-9]+-', '/receipts/', first)}"  # numbers of the runs before


def _asked(query: Any) -> str:
    return f"{type(query).__name__} {getattr(query, 'path', '')}".strip()
