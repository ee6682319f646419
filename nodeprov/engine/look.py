"""Reading a node, when it is at rest."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.engine import superseded
from nodeprov.engine.planner import check_facts
from nodeprov.engine.want import Want
from nodeprov.errors import Problems
from nodeprov.hosts.base import Place, Reader, Readers
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster as kube
from nodeprov.node.facts import gather
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import History
from nodeprov.node.state import Facts, NodeState
from nodeprov.node.switch import SwitchAtWork


def look(node: Node, readers: Readers, want: Want) -> NodeState:
    """Read a node and what its cluster knows of it; wait for the end of a switch that is at work on it.

    Raises Problems where no containerd can be meant, with all the reasons not to begin what is wanted, and
    NodeprovError when something cannot be read.
    """
    settings, reader = node.settings, readers[Place.NODE]
    layout = Layout.of(settings, want.family.program)
    facts = _when_settled(reader, settings, layout)
    cluster = kube.read(readers[Place.CLUSTER], settings, node.name) if Place.CLUSTER in readers else None
    history = History.read(facts.receipts, machine_id=facts.machine.machine_id, handler=settings.runtime.handler)
    if former := superseded.prefixes(history.written, settings):
        layout = replace(layout, former=former)
        facts = gather(reader, settings, layout)
    if facts.daemon is None:
        raise Problems(check_facts(node, layout, facts, cluster, want), where=node.name)
    return NodeState.of(node, layout, facts, cluster)


def _when_settled(reader: Reader, settings: Settings, layout: Layout) -> Facts:
    """Read the facts; if a switch still runs on the node, wait for its end first."""
    facts = gather(reader, settings, layout)
    if facts.footprint.switched is None or facts.footprint.switched.outcome:
        return facts
    while reader.ask([SwitchAtWork(settings.paths.state)])[0]:
        pass
    return gather(reader, settings, layout)
