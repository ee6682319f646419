"""Whether nodes and their clusters are as they were when there was nothing to do on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError
from nodeprov.hosts.at_once import at_once
from nodeprov.hosts.base import Place, Readers
from nodeprov.inventory import Node
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.node.memory import Memory, Remembered
from nodeprov.node.watched import Seen, WatchedQuery

if TYPE_CHECKING:
    from nodeprov.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is remembered of nodes, and what was read to see whether it holds.

    `plans` are those of all nodes, with nothing to do; empty if one of them has to be looked at. `unreached` has
    by their names why nodes could not be logged in to.
    """

    plans: Sequence[Plan]
    unreached: Mapping[str, NodeprovError]
    memory: Memory
    reads: ClusterReads
    is_deep: bool = False


def recall(
    nodes: Sequence[Node],
    hosts: Callable[[Node], Readers],
    folder: Path,
    *,
    deep: bool,
    meanwhile: Callable[[], None] | None = None,
) -> Recalled:
    """Find out whether all is as it was when an install had nothing to do; `deep` is to find that it is not.

    The clusters are being read then, which is not done twice. `meanwhile` is called while nodes are waited for.
    """
    memory, reads = Memory(folder), ClusterReads([view for node in nodes for view in node.views], hosts)
    remembered = {} if deep else {node.name: found for node in nodes if (found := memory.of(node)) is not None}
    is_known = len(remembered) == len(nodes)
    reads.begin(named=not is_known)
    plans, unreached = (
        still_settled(remembered, nodes, hosts, reads.digest, meanwhile=meanwhile) if is_known else ({}, {})
    )
    is_whole = len(plans) == len(nodes)
    return Recalled([plans[node.name] for node in nodes] if is_whole else (), unreached, memory, reads, deep)


def still_settled(
    remembered: Mapping[str, Remembered],
    nodes: Sequence[Node],
    hosts: Callable[[Node], Readers],
    cluster: Callable[[Node], str],
    *,
    meanwhile: Callable[[], None] | None = None,
) -> tuple[dict[str, Plan], dict[str, NodeprovError]]:
    """Find the nodes of which all is as it was when there was nothing to do for an install: their plans by name.

    Nothing is raised for the others: they have to be looked at in any case, which tells what is wrong. But why one
    could not be logged in to is returned, as that need not be tried again.

    Args:
        remembered: what is remembered, by the nodes' names.
        nodes: those of which something is.
        hosts: how a node is reached.
        cluster: tells apart what its cluster knows of a node.
        meanwhile: called while the nodes are waited for.
    """

    def holds(node: Node) -> bool:
        found = remembered[node.name]
        seen: Seen = hosts(node)[Place.NODE].ask([WatchedQuery(found.watched)])[0]
        return seen.digest == found.seen and cluster(node) == found.cluster

    def prepare() -> None:
        import nodeprov.plan.plan  # noqa: F401  not before the nodes are asked

        if meanwhile is not None:
            meanwhile()

    answers = at_once(holds, nodes, meanwhile=prepare)
    from nodeprov.plan.plan import INSTALL, HandlerPlan, Plan

    def plan(name: str, was: Remembered) -> Plan:
        handlers = tuple(HandlerPlan(*each, (), restarts=False) for each in was.handlers)
        return Plan(name, INSTALL, (), was.notes, handlers=handlers, releases=was.releases)

    for each in answers:
        if isinstance(each, Exception) and not isinstance(each, NodeprovError):
            raise each
    named = {node.name: each for node, each in zip(nodes, answers, strict=True)}
    plans = {name: plan(name, remembered[name]) for name, each in named.items() if each is True}
    errors = {name: each for name, each in named.items() if isinstance(each, NodeprovError) and each.is_unreached}
    return plans, errors
