"""What a dispatcher is handed: who it is, what time it is, and who hears what becomes of nodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nodeprov.dispatch.actor import Told
from nodeprov.dispatch.case import Ended
from nodeprov.engine.context import utc_now
from nodeprov.errors import NodeprovError


@dataclass(frozen=True, slots=True)
class NodeEnd:
    """How the run of a node has ended, and how long it took."""

    node: str
    ended: Ended
    seconds: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a dispatcher is handed.

    Args:
        namespace: where the engines' pods are made.
        identity: names this process.
        kernel_line: finds in what a proof's pod says by what its kernel is known as a sandbox's.
        on_told: hears what becomes of nodes; called by several threads.
        on_wait: hears for which node is waited, and for what: its pod starts late, or others leave late.
        on_end: hears how the run of a node has ended.
        on_error: hears what does not concern one node.
        on_fault: hears of which node nodeprov itself has failed, and the traceback.
        now: tells the time, UTC in ISO 8601.
        monotonic: tells the seconds of a clock that nobody sets.
        stop: ends it; what only waits may be given back first.
        at_once: ends that too.
    """

    namespace: str
    identity: str
    kernel_line: Callable[[str], str]
    on_told: Callable[[Told], None] = lambda _told: None
    on_wait: Callable[[str, str], None] = lambda _node, _why: None
    on_end: Callable[[NodeEnd], None] = lambda _end: None
    on_error: Callable[[NodeprovError], None] = lambda _error: None
    on_fault: Callable[[str, str], None] = lambda _node, _traceback: None
    now: Callable[[], str] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    stop: threading.Event = field(default_factory=threading.Event)
    at_once: threading.Event = field(default_factory=threading.Event)
