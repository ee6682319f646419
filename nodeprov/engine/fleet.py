"""Many nodes: read and planned at the same time, changed one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nodeprov.engine import transaction
from nodeprov.engine.context import RunContext
from nodeprov.engine.look import look
from nodeprov.engine.planner import Planned, check, plan
from nodeprov.engine.want import Install, Uninstall
from nodeprov.errors import NodeprovError, Problems
from nodeprov.hosts.base import Hosts, Readers
from nodeprov.hosts.provider import HostProvider
from nodeprov.inventory import Node, ReleaseSettings
from nodeprov.local_files import cache_folder
from nodeprov.plan.outcome import Outcome
from nodeprov.releases.obtain import Release, obtain, resolve
from nodeprov.releases.pace import Limits
from nodeprov.releases.source import ReleaseSource
from nodeprov.runtimes.gvisor.source import GVISOR

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 10

Releases = Callable[[ReleaseSettings, str], Release]
"""Have a release for an architecture on this machine; raise NodeprovError if that cannot be."""


def obtained(
    wanted: ReleaseSettings,
    architecture: str,
    *,
    on_progress: Callable[[str, int, int | None], None] = lambda _what, _done, _total: None,
    on_latest: Callable[[str], None] = lambda _version: None,
) -> Release:
    """Have a release in this user's cache, downloaded unless it is there; say which one the latest is."""
    limits = Limits(wanted.download_timeout_seconds, wanted.least_bytes_per_second)
    pins = wanted.sha512.get(architecture, {})
    source = ReleaseSource(GVISOR, wanted.base_url, cache_folder(), on_progress, pins=pins, limits=limits)
    version = resolve(source, wanted.version, architecture)
    if version != wanted.version:
        on_latest(version)
    return obtain(source, version, architecture)


@dataclass(frozen=True, slots=True)
class Results(Generic[T]):
    """The results, and the errors, of one call for each node."""

    good: list[T] = field(default_factory=list)
    errors: list[NodeprovError] = field(default_factory=list)


def plan_install(node: Node, readers: Readers, obtain: Callable[[str], Release]) -> Planned:
    """Plan an install of one node; its release is obtained, for an architecture, when nothing stands against it.

    Raises Problems with all the reasons not to begin, and NodeprovError when something cannot be read.
    """
    state = look(node, readers, Install())
    if problems := check(state, Install()):
        raise Problems(problems, where=node.name)
    want = Install(obtain(state.machine.architecture))
    return Planned(state, want, plan(state, want, readers))


def plan_uninstall(node: Node, readers: Readers, want: Uninstall) -> Planned:
    """Plan an uninstall of one node.

    Raises Problems also while a sandbox, running or stopped, still needs what would be removed, unless a drain can
    evict it.
    """
    state = look(node, readers, want)
    return Planned(state, want, plan(state, want, readers))


class Fleet:
    """Some nodes, and how they are reached."""

    def __init__(self, nodes: Sequence[Node], hosts: HostProvider, releases: Releases = obtained) -> None:
        self.nodes = nodes
        self.hosts = hosts
        self._obtain = releases
        self._releases: dict[tuple[Any, ...], Release] = {}
        self._lock = threading.Lock()

    def plan_install(self) -> Results[Planned]:
        """Plan an install of every node."""

        def one(node: Node, hosts: Hosts) -> Planned:
            return plan_install(node, hosts, lambda architecture: self._release(node, architecture))

        return self.each(one)

    def plan_uninstall(self, *, drain: bool) -> Results[Planned]:
        """Plan an uninstall of every node."""
        names = [node.name for node in self.nodes]

        def one(node: Node, hosts: Hosts) -> Planned:
            leaving = tuple(names[: names.index(node.name)])
            return plan_uninstall(node, hosts, Uninstall(drain, leaving))

        return self.each(one)

    def apply(self, plans: Sequence[Planned], run: RunContext) -> Iterator[Outcome]:
        """Carry plans out, one after the other; stop behind the first that fails."""
        for each in plans:
            try:
                outcome = transaction.carry_out(each, self.hosts.of(each.node), run)
            except NodeprovError as error:
                outcome = Outcome(each.plan, error=error.at(each.node.name))
            yield outcome
            if outcome.exit_code:
                return

    def each(self, call: Callable[[Node, Hosts], T]) -> Results[T]:
        """Call something for every node at the same time; an error that is no NodeprovError is raised."""
        results: Results[T] = Results()
        for result in at_once(lambda node: call(node, self.hosts.of(node)), self.nodes):
            if isinstance(result, NodeprovError):
                results.errors.append(result)
            elif isinstance(result, Exception):
                raise result
            else:
                results.good.append(result)
        return results

    def _release(self, node: Node, architecture: str) -> Release:
        """Have a release here; nodes that want the same one, by the same digests, share it."""
        wanted = node.settings.release
        pins = tuple(sorted(wanted.sha512.get(architecture, {}).items()))
        key = (wanted.base_url, wanted.version, architecture, pins)
        with self._lock:
            if key not in self._releases:
                self._releases[key] = self._obtain(wanted, architecture)
            return self._releases[key]


def not_begun(plans: Sequence[Planned], outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Name the nodes that would have been changed if no other one had failed before."""
    return tuple(each.node.name for each in plans[len(outcomes) :] if each.plan.pending)


def at_once(call: Callable[[T], R], items: Sequence[T]) -> list[R | Exception]:
    """Call something for many, each in a thread; an error stands in the place of its item's result."""

    def safely(item: T) -> R | Exception:
        try:
            return call(item)
        except Exception as error:  # it is handed on, not lost
            return error

    if len(items) <= 1:
        return [safely(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(len(items), MOST_AT_ONCE)) as threads:
        return list(threads.map(safely, items))
