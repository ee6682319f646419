"""Nodes that nothing can be done for: nodeprov has failed, or the cluster refuses its writes. The others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace

from nodeprov.dispatch.case import Ended
from nodeprov.dispatch.marks import BETWEEN, FAILED
from nodeprov.dispatch.views import PodView

FAULT, REFUSED = "a fault of nodeprov", "the cluster refuses what is written to it"
_HINT = "report it, with the log of the dispatcher; another run tries the node again: nodeprov cluster install"


class Faults:
    """What is done about exceptions that no one has foreseen.

    The first one of a node ends its run, as one that has failed. If that cannot be written down either, this
    dispatcher gives the node up.

    Attributes:
        count: how many there were.
        failing: how the runs are to end that had one.
        given_up: the nodes that are left alone, and why: a fault, or a refusal of the cluster's.
    """

    def __init__(self, on_fault: Callable[[str, str], None]) -> None:
        """Begin without any; `on_fault` hears of which node there is one, and the traceback."""
        self.count = 0
        self.failing: dict[str, Ended] = {}
        self.given_up: dict[str, str] = {}
        self._on_fault = on_fault

    def take(self, name: str, error: Exception, ended: Ended) -> Ended:
        """Take a fault of a node; return how its run ends: of the kind that is given, with the reason."""
        self.count += 1
        self._on_fault(name, "".join(traceback.format_exception(error)))
        if name in self.failing:
            self.given_up[name] = FAULT
            return self.failing.pop(name)
        self.failing[name] = replace(ended, why=f"{FAULT}: {_said(error)}", hint=_HINT)
        return self.failing[name]

    def refuse(self, name: str) -> None:
        """Take it that a node cannot be claimed, or let go, however often it is tried."""
        self.given_up[name] = REFUSED

    def finish(self, name: str) -> None:
        """Take it that the run of a node has ended."""
        self.failing.pop(name, None)

    def forget(self) -> None:
        """Begin anew, for something else is wanted."""
        self.failing.clear()
        self.given_up.clear()


def result_of(engine: PodView | None) -> str:
    """Say how a node is left whose pod was not seen to its end: as before only if that has not begun."""
    return BETWEEN if engine is not None and engine.has_begun else FAILED


def _said(error: Exception) -> str:
    """Name an exception, and the place in our source."""
    at = traceback.extract_tb(error.__traceback__)
    place = f" ({at[-1].filename.rpartition('/')[2]}, line {at[-1].lineno})" if at else ""
    return f"{type(error).__name__}: {error}{place}"
