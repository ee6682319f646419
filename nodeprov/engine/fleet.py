"""The nodes of one invocation, connected: what is done for each of them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nodeprov.engine import planner, rollout
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError
from nodeprov.hosts.provider import SshHosts
from nodeprov.inventory import Node, ReleaseSettings
from nodeprov.releases.obtain import Release

T = TypeVar("T")

ObtainRelease = Callable[[ReleaseSettings, str], Release]
"""Have a release for an architecture on this machine."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What came of doing one thing for every node."""

    good: list[T] = field(default_factory=list)
    errors: list[NodeprovError] = field(default_factory=list)


class Session:
    """Plans and reads for every node at the same time; nothing here changes a node."""

    def __init__(self, nodes: Sequence[Node], connections: SshHosts, obtain: ObtainRelease) -> None:
        self.nodes = nodes
        self._obtain = obtain
        self._releases: dict[tuple[Any, ...], Release] = {}
        self._lock = threading.Lock()
        self.connections = connections

    def plan_install(self) -> Answers[Planned]:
        """Plan an install of every node."""

        def one(node: Node) -> Planned:
            return planner.plan_install(node, self.connections.of(node), lambda arch: self._release(node, arch))

        return self.each(one)

    def plan_uninstall(self, *, drain: bool) -> Answers[Planned]:
        """Plan an uninstall of every node."""
        names = [node.name for node in self.nodes]

        def one(node: Node) -> Planned:
            leaving = names[: names.index(node.name)]
            return planner.plan_uninstall(node, self.connections.of(node), drain=drain, leaving=leaving)

        return self.each(one)

    def each(self, work: Callable[[Node], T]) -> Answers[T]:
        """Do one thing for every node at the same time; what is no NodeprovError is a bug, and raised."""
        answers: Answers[T] = Answers()
        for answer in rollout.side_by_side(work, self.nodes):
            if isinstance(answer, NodeprovError):
                answers.errors.append(answer)
            elif isinstance(answer, Exception):
                raise answer
            else:
                answers.good.append(answer)
        return answers

    def _release(self, node: Node, architecture: str) -> Release:
        """Have a release here; nodes that want the same one, by the same digests, share it."""
        wanted = node.settings.release
        pins = tuple(sorted(wanted.sha512.get(architecture, {}).items()))
        key = (wanted.base_url, wanted.version, architecture, pins)
        with self._lock:
            if key not in self._releases:
                self._releases[key] = self._obtain(wanted, architecture)
            return self._releases[key]
