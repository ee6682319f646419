"""Before a plan: what is wanted of a node, how the node is when it is at rest, and the reasons not to begin."""

from dataclasses import dataclass, replace
from typing import ClassVar

from nodeprov.engine import leftovers
from nodeprov.errors import NodeprovError, Problem, Problems
from nodeprov.hosts.base import Place, Reader, Readers
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster as kube
from nodeprov.kubernetes import images
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.kubernetes.draining import NOTHING_LOST, Allowed
from nodeprov.node.facts import gather
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import History
from nodeprov.node.state import ClusterState, Facts, Machine, NodeState
from nodeprov.node.switch import SWITCH_UNIT, WAIT_SECONDS, SwitchAtWork
from nodeprov.plan.plan import ADOPT, CANARY, GC, INSTALL, ROLLBACK, UNINSTALL, Action
from nodeprov.releases.obtain import Release
from nodeprov.runtimes import requirements
from nodeprov.runtimes.family import Family

MOST_SECONDS = 30 * 60
"""How long a switch of another run is waited for: longer than any takes, there and back."""


@dataclass(frozen=True, slots=True)
class Install:
    """A runtime, by the node's settings; `release` is None as long as it is not on this machine.

    `adopts` allows to take the place of what somebody else has installed under the handler's name. `is_canary`
    means a canary beside the main handler.
    """

    family: Family
    release: Release | None = None
    adopts: bool = False
    is_canary: bool = False

    @property
    def action(self) -> Action:
        """What the run is for."""
        if self.is_canary:
            return CANARY
        return ADOPT if self.adopts else INSTALL


@dataclass(frozen=True, slots=True)
class Uninstall:
    """Nothing of ours; `leaving` are nodes uninstalled before this one.

    `drain` allows to evict pods, and `allowed` also those of which something is lost then. `despite_pods` is to
    plan also where pods block it: for a plan that is shown beside what blocks it, and not carried out.
    """

    family: Family
    drain: bool = False
    leaving: tuple[str, ...] = ()
    allowed: Allowed = NOTHING_LOST
    despite_pods: bool = False
    release: ClassVar[None] = None
    action: ClassVar[Action] = UNINSTALL


@dataclass(frozen=True, slots=True)
class Rollback:
    """A generation that is on the node still: the one before, or one named by `to`, its release or its name."""

    family: Family
    to: str = ""
    release: ClassVar[None] = None
    action: ClassVar[Action] = ROLLBACK


@dataclass(frozen=True, slots=True)
class Gc:
    """Nothing that nobody needs."""

    family: Family
    release: ClassVar[None] = None
    action: ClassVar[Action] = GC


Want = Install | Uninstall | Rollback | Gc


def look(node: Node, readers: Readers, want: Want, reads: ClusterReads | None = None) -> NodeState:
    """Read a node and what its cluster knows of it; wait for the end of a switch that is at work on it.

    `reads` has what is known of a cluster that nodes share; without it the cluster is read for this node.
    Raises Problems where no containerd can be meant, with all the reasons not to begin what is wanted, and
    NodeprovError when something cannot be read.
    """
    settings, reader = node.settings, readers[Place.NODE]
    layout = Layout.of(settings, want.family.program)
    facts = _when_settled(reader, settings, layout)
    cluster = _cluster(node, readers, reads) if want.action.uses_cluster else None
    handler, machine_id = settings.runtime.handler, facts.machine.machine_id
    history = History.read(facts.receipts, machine_id=machine_id, handler=handler, node=node.name)
    if former := leftovers.prefixes(history.written, settings):
        layout = replace(layout, former=former)
        facts = gather(reader, settings, layout)
    if facts.daemon is None or not facts.machine.is_root:
        raise Problems(check_facts(node, layout, facts, cluster, want), where=node.name)
    return NodeState.of(node, layout, facts, cluster)


def _cluster(node: Node, readers: Readers, reads: ClusterReads | None) -> ClusterState | None:
    if Place.CLUSTER not in readers:
        return None
    return (reads or ClusterReads([node], lambda _node: readers)).of(node)


def _when_settled(reader: Reader, settings: Settings, layout: Layout) -> Facts:
    """Read the facts; if a switch still runs on the node, wait for its end first."""
    facts = gather(reader, settings, layout)
    if facts.footprint.switched is None or facts.footprint.switched.outcome:
        return facts
    for _ in range(MOST_SECONDS // WAIT_SECONDS):
        if not reader.ask([SwitchAtWork(settings.paths.state)])[0]:
            return gather(reader, settings, layout)
    raise NodeprovError(
        f"the switch of an earlier run has been at work for more than {MOST_SECONDS // 60} minutes",
        f"systemctl status {SWITCH_UNIT} on the node",
        where=reader.name,
    )


def check(state: NodeState, want: Want) -> tuple[Problem, ...]:
    """Find all the reasons not to begin that the node's state shows; ask nothing."""
    found = _of_cluster(state.node, state.machine, state.cluster, want)
    if not isinstance(want, Install):
        return found
    of_node = requirements.check(state, want.family, want.release, adopts=want.adopts)
    return (*of_node, *found, *leftovers.label_problems(state))


def check_facts(
    node: Node, layout: Layout, facts: Facts, cluster: ClusterState | None, want: Want
) -> tuple[Problem, ...]:
    """Find the same where no containerd can be meant, which is one of the reasons."""
    found = _of_cluster(node, facts.machine, cluster, want)
    if not isinstance(want, Install):
        return found or (facts.no_daemon,)
    return (*requirements.check_facts(facts, node.settings, layout, want.family, adopts=want.adopts), *found)


def _of_cluster(node: Node, machine: Machine, cluster: ClusterState | None, want: Want) -> tuple[Problem, ...]:
    if not isinstance(want, Install):
        return kube.check_identity(cluster, node, machine) if cluster else ()
    return (
        *(kube.check_cluster(cluster, node, machine) if cluster else ()),
        *images.check_programs(machine.architecture, node.settings),
    )
