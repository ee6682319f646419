"""Many nodes: read and planned at the same time, changed in waves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

from nodeprov.engine.canary import has_canary_in_force
from nodeprov.engine.context import RunContext
from nodeprov.engine.handlers import plan_all
from nodeprov.engine.look import Gc, Install, Uninstall, Want, check, look
from nodeprov.engine.planner import Planned
from nodeprov.engine.remembering import Watching
from nodeprov.engine.rollout import Rollout, controls
from nodeprov.engine.transaction import apply, of_action, prove_again
from nodeprov.errors import NodeprovError, Problems
from nodeprov.hosts.at_once import at_once, safely
from nodeprov.hosts.base import Hosts, Place
from nodeprov.hosts.provider import HostProvider
from nodeprov.inventory import Node, ReleaseSettings, RolloutSettings
from nodeprov.kubernetes.admission import Admissions
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.node.known_trees import KnownTrees
from nodeprov.node.memory import Memory
from nodeprov.node.state import NodeState
from nodeprov.plan.plan import Outcome
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import Software
from nodeprov.runtimes.obtaining import Releases, obtained

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Results(Generic[T]):
    """The results, and the errors, of one call for each node; `failed` has those of nodes by the nodes' names."""

    good: list[T]
    errors: list[NodeprovError]
    failed: Mapping[str, NodeprovError] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Sequence[T | Exception], nodes: Sequence[Node]) -> Self:
        """Separate results from errors, each of which gets its node; raise what is no NodeprovError: a fault.

        All that goes wrong with a node leaves through here, or as the error of an Outcome.
        """
        for each in results:
            if isinstance(each, Exception) and not isinstance(each, NodeprovError):
                raise each
        failed = {
            node.name: each.at(node.name)
            for node, each in zip(nodes, results, strict=True)
            if isinstance(each, NodeprovError)
        }
        return cls([each for each in results if not isinstance(each, Exception)], list(failed.values()), failed)


class Fleet:
    """Some nodes, and how they are reached. `releases` is called for one release after the other."""

    def __init__(
        self,
        nodes: Sequence[Node],
        hosts: HostProvider,
        releases: Releases = obtained,
        memory: Memory | None = None,
        reads: ClusterReads | None = None,
        unreached: Mapping[str, NodeprovError] = MappingProxyType({}),
        *,
        trusts_memory: bool = True,
    ) -> None:
        """Take some nodes.

        Args:
            nodes: which.
            hosts: how they are reached.
            releases: has a release on this machine.
            memory: where it is remembered that there was nothing to do.
            reads: what was read of their clusters already; it counts for the first plan.
            unreached: why nodes could not be logged in to a moment ago; for the first plan too.
            trusts_memory: whether the digests of a release are taken from it while that looks as it did.
        """
        self.nodes = nodes
        self.hosts = hosts
        self._releases = releases
        self._memory = memory
        self._read_already = reads
        self._unreached = dict(unreached)
        self._trusts_memory = trusts_memory

    def only(self, nodes: Sequence[Node]) -> Fleet:
        """Return some of the nodes, reached in the same way."""
        return Fleet(nodes, self.hosts, self._releases, self._memory)

    def look(self, want: Want) -> Results[NodeState]:
        """Read every node."""
        reads = self._reads(want)
        return self.each(lambda node, hosts: look(node, hosts, want, reads))

    def plan(self, want: Want) -> Results[Planned]:
        """Plan for every node.

        A release is obtained once for all who want it, and for no node where something blocks it.
        """
        reads = self._read_already or self._reads(want)
        self._read_already = None
        found = at_once(lambda node: self._ready(node, want, reads), self.nodes)
        releases = _Once(self._releases)
        order = leaving_order([each[0] for each in found if not isinstance(each, Exception)])
        wants = [
            safely(
                lambda states: (states, [self._of_its_own(want, each, releases, order) for each in states]), each
            )
            for each in found
        ]
        admissions = Admissions()
        return Results.of(at_once(lambda given: self._planned(*given, reads, admissions), wants), self.nodes)

    def rollout(self, plans: Sequence[Planned]) -> Rollout:
        """Put plans in waves, as the inventory says; raise NodeprovError where that cannot be."""
        return Rollout(plans, self.nodes[0].settings.rollout if self.nodes else RolloutSettings())

    def apply(self, plans: Sequence[Planned], run: RunContext) -> Iterator[Outcome]:
        """Carry plans out in waves, by default one node after the other, until too many have failed."""
        yield from self.carry_out(self.rollout(plans), run)

    def carry_out(self, rollout: Rollout, run: RunContext) -> Iterator[Outcome]:
        """Carry out what was put in waves."""
        return rollout.carry_out(run, _Work(self.hosts))

    def each(self, call: Callable[[Node, Hosts], T]) -> Results[T]:
        """Call something for every node at the same time."""
        return Results.of(at_once(lambda node: call(node, self.hosts.of(node)), self.nodes), self.nodes)

    def each_view(self, call: Callable[[Node, Hosts], T]) -> Results[T]:
        """Call something for every handler of every node: the nodes at the same time, its handlers in turn."""
        found = self.each(lambda node, hosts: [call(view, hosts) for view in node.views])
        return Results([one for some in found.good for one in some], found.errors, found.failed)

    def _reads(self, want: Want) -> ClusterReads:
        """Begin to read the clusters of the nodes, if what is wanted uses them."""
        reads = ClusterReads([view for node in self.nodes for view in node.views], self.hosts.of)
        if want.action.uses_cluster:
            reads.begin()
        return reads

    def _planned(
        self, states: Sequence[NodeState], wants: Sequence[Want], reads: ClusterReads, admissions: Admissions
    ) -> Planned:
        state, want = states[0], wants[0]
        readers = admissions.through(of_action(self.hosts.of(state.node), want.action))
        if self._memory is None:
            return plan_all(states, wants, readers)
        known = KnownTrees(readers[Place.NODE], state.node, self._memory.digests, deep=not self._trusts_memory)
        watching = Watching({**readers, Place.NODE: known}, states, wants)
        found = plan_all(states, wants, watching.readers)
        whole = next(each for each in self.nodes if each.name == state.node.name)
        watching.remember(whole, found, reads, self._memory)
        return found

    def _ready(self, node: Node, want: Want, reads: ClusterReads) -> tuple[NodeState, ...]:
        """Read a node, for each of its handlers; raise Problems if anything blocks what is wanted."""
        if (error := self._unreached.pop(node.name, None)) is not None:
            raise error
        states = [look(view, self.hosts.of(node), want, reads) for view in node.views]
        canary = node.canary()
        if canary and isinstance(want, Uninstall | Gc) and has_canary_in_force(states[0].history):
            # Before the others: its table goes with the main one's.
            states.insert(0, look(canary, self.hosts.of(node), want, reads))
        if problems := tuple(dict.fromkeys(each for state in states for each in check(state, want))):
            raise Problems(problems, where=node.name)
        return tuple(states)

    def _of_its_own(self, want: Want, state: NodeState, releases: Releases, order: Sequence[str]) -> Want:
        """Return what is wanted of one node: with its release, or with the nodes that go before it."""
        if isinstance(want, Install):
            release = want.release or releases(
                want.family.software, state.settings.release, state.machine.architecture
            )
            return replace(want, release=release)
        if isinstance(want, Uninstall):
            return replace(want, leaving=(*want.leaving, *order[: order.index(state.node.name)]))
        return want


def leaving_order(states: Sequence[NodeState]) -> list[str]:
    """Name nodes in the order in which they are uninstalled: the last one takes away what they share."""
    return [state.node.name for state in sorted(states, key=controls)]


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done on a node of a rollout."""

    hosts: HostProvider

    def change(self, planned: Planned, run: RunContext) -> Outcome:
        return apply(planned, self.hosts.of(planned.node), run)

    def prove_again(self, planned: Planned, run: RunContext) -> None:
        prove_again(planned, self.hosts.of(planned.node), run)


class _Once:
    """Obtains a release once for all who want it, by the same digests, also if it cannot be had."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._known: dict[tuple[Any, ...], Release | Exception] = {}

    def __call__(self, software: Software, wanted: ReleaseSettings, architecture: str) -> Release:
        pins = tuple(sorted(wanted.sha512.get(architecture, {}).items()))
        key = (software.name, wanted.base_url, wanted.version, architecture, pins)
        if key not in self._known:
            self._known[key] = safely(lambda settings: self._releases(software, settings, architecture), wanted)
        release = self._known[key]
        if isinstance(release, Exception):
            raise release
        return release
