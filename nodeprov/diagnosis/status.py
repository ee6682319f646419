"""How a node stands: what its receipts want, what is there, how the last run ended, what it did on its own."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nodeprov.diagnosis.cluster_differences import cluster_differences
from nodeprov.diagnosis.damage import damage
from nodeprov.diagnosis.difference import Difference, Truth
from nodeprov.diagnosis.serving import containerd_differences
from nodeprov.engine.lock import Holder, HolderOf
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Reader
from nodeprov.inventory import Node
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.node import receipts
from nodeprov.node.facts import FactsQuery
from nodeprov.node.known_trees import KnownTrees
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import History, Receipt
from nodeprov.node.state import NOT_ROOT, ClusterState, Facts, Sandboxes
from nodeprov.node.switch import Switched
from nodeprov.plan.plan import CANARY, STAGE
from nodeprov.runtimes.family import Family
from nodeprov.states import LinkState


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the receipts say is installed: the release, the generation, and the number of the run that said so."""

    release: str
    generation: str
    run: int


@dataclass(frozen=True, slots=True)
class Status:
    """How one node stands; `release` and `generation` are "" where nothing is installed."""

    node: str
    handler: str
    release: str
    generation: str
    containerd: str
    last: Receipt | None
    switched: Switched | None
    holder: Holder | None
    faults: tuple[NodeprovError, ...] = ()
    """Why receipts cannot be read: what they record is missing in all else."""
    wanted: Wanted | None = None
    """None where nothing is installed."""
    differences: tuple[Difference, ...] = ()
    """What is not as the receipts say; nothing while a run is at work."""
    sandboxes: tuple[Sandboxes, ...] = ()
    looked_at: tuple[Truth, ...] = ()
    """Where it was asked how the node stands."""
    cluster_fault: NodeprovError | None = None
    """Why the cluster was not asked."""
    canary: Wanted | None = None
    """What the receipts say is tried beside it: `nodeprov canary`."""
    again: str = ""
    """What to type so that the last run is made again; "" where there was none."""

    @property
    def damage(self) -> tuple[str, ...]:
        """What on the node itself is not as it was installed, in words."""
        return tuple(each.said for each in self.differences if each.truth != Truth.CLUSTER)

    @property
    def is_open(self) -> bool:
        """Tell whether the last run has not ended, whoever may still be at work on it."""
        return self.last is not None and self.last.state == receipts.BEGUN

    @property
    def is_at_work(self) -> bool:
        """Tell whether the node itself is in the middle of a change."""
        return self.switched is not None and not self.switched.outcome

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is under way or waits for the next run, and all is as the receipts say."""
        return not (self.is_open or self.is_at_work or self.holder or self.faults or self.differences)


def read(node: Node, reader: Reader, family: Family, reads: ClusterReads | None = None) -> Status:
    """Read how a node stands; raise NodeprovError if it cannot be read.

    While somebody is at work on it, nothing is held against what was installed before.

    Args:
        node: which.
        reader: how it is asked.
        family: what may be installed on it.
        reads: what is known of its cluster, which is not asked without it.
    """
    layout = Layout.of(node.settings, family.program)
    query = FactsQuery(node.name, node.settings, layout)
    facts, holder = reader.ask([query, HolderOf(node.settings.paths.state)])
    if not facts.machine.is_root:
        raise NodeprovError(f"{NOT_ROOT.message}: its state cannot be determined", NOT_ROOT.hint, where=node.name)
    found = replace(
        status(facts, holder, layout), sandboxes=facts.footprint.sandboxes(family.shim, layout.releases)
    )
    if found.holder or found.is_at_work or found.is_open:
        return found
    try:
        cluster = reads.of(node) if reads else None
    except NodeprovError as error:
        cluster, found = None, replace(found, cluster_fault=error)
    return _compared(found, node, reader, facts, cluster, layout, family)


def read_again(
    node: Node, reader: Reader, family: Family, reads: ClusterReads, folder: Path, *, deep: bool
) -> Status:
    """Read how a node stands, but hash no file again that looks as it did when it was hashed, unless `deep`.

    `folder` is where this machine notes that.
    """
    return read(node, KnownTrees(reader, node, folder, deep=deep), family, reads)


def _compared(
    found: Status,
    node: Node,
    reader: Reader,
    facts: Facts,
    cluster: ClusterState | None,
    layout: Layout,
    family: Family,
) -> Status:
    """Compare what is there with what the receipts say; what was only staged is not in force."""
    history = _history(facts, layout)[0]
    held = {key: state for key, state in history.held.items() if state is not None}
    is_in_force = any(each.action != STAGE.name for each in history.installed)
    release = found.wanted.release.partition("-")[0] if found.wanted else node.settings.release.version
    command = f"canary start --release {release}" if node.canary_of else "install"
    mend = f"nodeprov {command} {node.name}"
    differences: list[Difference] = []
    looked_at: list[Truth] = []
    if held and is_in_force:
        looked_at += [Truth.DISK, Truth.CONTAINERD]
        differences += damage(reader, facts, layout, held, mend)
        differences += containerd_differences(reader, facts, layout, family, mend)
    if cluster is not None:
        looked_at.append(Truth.CLUSTER)
        differences += cluster_differences(node, cluster, held, mend)
    return replace(found, differences=tuple(differences), looked_at=tuple(looked_at))


def status(facts: Facts, holder: Holder | None, layout: Layout) -> Status:
    """Return how a node stands, as far as the facts alone show it."""
    target = facts.footprint.links.get(layout.current, "")
    history, faults = _history(facts, layout)
    ours, of_canary = history.of_handler, layout.of_canary()
    is_canary = any(each.action == CANARY.name for each in _history(facts, of_canary)[0].installed)
    last = history.interrupted or (ours[-1] if ours else None)
    containerd = "; ".join(facts.daemon.cri_errors) or "serves" if facts.daemon else "does not run"
    return Status(
        facts.node,
        layout.handler,
        _release_of(facts, layout, target),
        target,
        containerd,
        last,
        facts.footprint.switched,
        holder,
        faults,
        _wanted(facts, history, layout),
        canary=_wanted(facts, _history(facts, of_canary)[0], of_canary) if is_canary else None,
        again=history.typed_again(last, facts.node) if last else "",
    )


def _release_of(facts: Facts, layout: Layout, generation: str) -> str:
    folder = f"{layout.handler_folder}/{generation}" if generation else ""
    return posixpath.basename(facts.footprint.generations.get(folder, ""))


def _wanted(facts: Facts, history: History, layout: Layout) -> Wanted | None:
    current = history.held.get(f"link:{layout.current}")
    if not isinstance(current, LinkState):
        return None
    program = history.held.get(f"link:{layout.handler_folder}/{current.target}/{layout.program}")
    release = (
        posixpath.basename(posixpath.dirname(program.target))
        if isinstance(program, LinkState)
        else _release_of(facts, layout, current.target)
    )
    return Wanted(release, current.target, history.installed[-1].number)


def _history(facts: Facts, layout: Layout) -> tuple[History, tuple[NodeprovError, ...]]:
    machine_id = facts.machine.machine_id
    return History.as_far_as_readable(
        facts.receipts, machine_id=machine_id, handler=layout.handler, node=facts.node
    )


def by_truth(found: Status) -> Mapping[Truth, tuple[Difference, ...]]:
    """Sort the differences of a node by where they were seen; where all is well there are none."""
    return {truth: tuple(d for d in found.differences if d.truth == truth) for truth in found.looked_at}
