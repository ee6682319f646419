"""A node as it is, for all that decides about it."""

from __future__ import annotations

from dataclasses import dataclass

from nodeprov.inventory import Node, Settings
from nodeprov.node.cluster_state import ClusterState
from nodeprov.node.daemon import Daemon
from nodeprov.node.facts import Facts
from nodeprov.node.footprint import Footprint
from nodeprov.node.layout import Layout
from nodeprov.node.machine import Machine
from nodeprov.node.receipts.history import History


@dataclass(frozen=True, slots=True)
class NodeState:
    """What was read of a node, by its owners: the machine, its containerd, what is ours on it, its cluster."""

    node: Node
    layout: Layout
    machine: Machine
    daemon: Daemon
    footprint: Footprint
    cluster: ClusterState | None
    """None where the settings have no cluster."""
    history: History

    @classmethod
    def of(cls, node: Node, layout: Layout, facts: Facts, cluster: ClusterState | None) -> NodeState:
        """Put together what was read; raise NodeprovError if there is no daemon, or a receipt is damaged."""
        machine, handler = facts.machine, node.settings.runtime.handler
        history = History.read(facts.receipts, machine_id=machine.machine_id, handler=handler)
        return cls(node, layout, machine, facts.running_daemon, facts.footprint, cluster, history)

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.node.settings
