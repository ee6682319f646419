"""Nodes verified at the same time, each in a process of its own: pytest runs once in a process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from nodeprov.diagnosis.verify import verification
from nodeprov.diagnosis.verify.subject import look
from nodeprov.diagnosis.verify.verification import Verified
from nodeprov.engine import rollout
from nodeprov.hosts.base import Place
from nodeprov.hosts.provider import OnCommand, SshHosts
from nodeprov.hosts.ssh.passwords import Passwords
from nodeprov.inventory import Inventory, Node

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a process must know to verify a node; `on_command` shows the commands that run on hosts."""

    node: Node
    whole: Inventory
    on_command: OnCommand
    passwords: Passwords


def errands(nodes: Sequence[Node], connections: SshHosts) -> list[Errand]:
    """Write an errand for each node; of several, ask now for the passwords that their processes cannot ask for."""
    if len(nodes) > 1:
        # What cannot be reached is told by its own process.
        rollout.side_by_side(lambda node: connections.of(node)[Place.NODE].run("true"), nodes)
    to = connections
    return [Errand(node, to.whole, to.on_command, to.passwords) for node in nodes]


class Ending:
    """A signal's wish, heeded once and before a command: what cleans up after the checks runs to its end."""

    def __init__(self, on_asked: Callable[[], None] = lambda: None) -> None:
        self._on_asked = on_asked
        self.asked = False
        self._heeded = False

    def heed(self) -> None:
        """Raise KeyboardInterrupt the first time after a signal has come."""
        if self.asked and not self._heeded:
            self._heeded = True
            raise KeyboardInterrupt

    @contextmanager
    def noted(self, signals: Sequence[signal.Signals] = SIGNALS) -> Iterator[Ending]:
        """Note signals in place of being ended by them."""

        def note(_number: int, _frame: object) -> None:
            self.asked = True
            self._on_asked()

        before = {each: signal.signal(each, note) for each in signals}
        try:
            yield self
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def verify_all(errands: Sequence[Errand], on_interrupted: Callable[[], None]) -> list[Verified | Exception]:
    """Verify nodes at the same time; an error is an answer in the place of its node.

    A signal ends it early: no check is begun any more, and the pods of those that were are removed.
    """
    with Ending(on_interrupted).noted() as ending:
        if len(errands) == 1:
            return rollout.side_by_side(lambda errand: _verify(errand, ending), errands)
        return rollout.in_processes(verify_one, errands, is_over=lambda: ending.asked)


def verify_one(errand: Errand) -> Verified:
    """Verify a node in this process, which is told of signals by its parent."""
    with Ending().noted([signal.SIGTERM]) as ending:
        return _verify(errand, ending)


def _verify(errand: Errand, ending: Ending) -> Verified:
    def on_command(name: str, script: str) -> None:
        ending.heed()
        errand.on_command(name, script)

    try:
        with SshHosts(errand.whole, on_command, errand.passwords) as connections:
            return verification.verify(look(errand.node, connections.of(errand.node)))
    except KeyboardInterrupt:
        return Verified((), interrupted=True)
