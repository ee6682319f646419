"""What a dispatcher knows of the cluster, kept up to date by its watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nodeprov.dispatch.views import NodeView, PodView
from nodeprov.dispatch.wanted import INSTALL, Members, Wanted, wish_of
from nodeprov.dispatch.watch import Change, Gone, Listed, Put


class Known:
    """Nodes, and the pods of ours.

    Attributes:
        nodes: all of them, by name.
        meant: those that are chosen, or carry a mark of ours.
        due: what is to be done on those that no run has.
        changing: those that a run has.
        wanted, members: what is wanted, and of which nodes.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.nodes: dict[str, NodeView] = {}
        self.meant: dict[str, NodeView] = {}
        self.due: dict[str, str] = {}
        self.changing: set[str] = set()
        self.wanted, self.members = wanted, Members(wanted)
        self._pods: dict[str, dict[str, PodView]] = {}

    def want(self, wanted: Wanted) -> None:
        """Take what is wanted from now on; raise UsageError, and stay as it is, if it has faults."""
        members = Members(wanted)
        members.learn(name for name, node in self.nodes.items() if members.chooses(node))
        self.wanted, self.members = wanted, members
        for node in self.nodes.values():
            self._judge(node)

    def node_changed(self, change: Change[NodeView]) -> Iterable[str]:
        """Take a change of nodes; name those concerned."""
        if isinstance(change, Listed):
            self.members.learn(each.name for each in change.items if self.members.chooses(each))
            gone = self.nodes.keys() - {each.name for each in change.items}
            for name in gone:
                self._forget(name)
            for each in change.items:
                self.put_node(each)
            return [*gone, *(each.name for each in change.items)]
        if isinstance(change, Put):
            self.put_node(change.item)
        else:
            self._forget(change.item.name)
        return [change.item.name]

    def put_node(self, node: NodeView) -> None:
        """Take a node as it was read or written, unless a later state of it is known."""
        known = self.nodes.get(node.name)
        if known is None or known.uid != node.uid or _is_newer(node.version, known.version):
            self.nodes[node.name] = node
            self._judge(node)

    def pod_changed(self, change: Change[PodView], *, proofs: bool) -> Iterable[str]:
        """Take a change of pods; name the nodes that they are for."""
        if isinstance(change, Listed):
            there = {each.uid for each in change.items}
            known = [pod for pods in self._pods.values() for pod in pods.values() if pod.is_proof == proofs]
            gone = [pod for pod in known if pod.uid not in there]
            for each in gone:
                self.drop_pod(each)
            for each in change.items:
                self.put_pod(each)
            return [each.node for each in (*gone, *change.items)]
        if isinstance(change, Gone):
            self.drop_pod(change.item)
        else:
            self.put_pod(change.item)
        return [change.item.node]

    def put_pod(self, pod: PodView) -> None:
        """Take a pod as it was read or made, unless a later state of it is known, or it is none of ours."""
        if not pod.is_ours:
            return
        pods = self._pods.setdefault(pod.node, {})
        known = pods.get(pod.name)
        if known is None or known.uid != pod.uid or _is_newer(pod.version, known.version):
            pods[pod.name] = pod

    def drop_pod(self, pod: PodView) -> None:
        """Take it that a pod is gone."""
        pods = self._pods.get(pod.node, {})
        if pod.name in pods and pods[pod.name].uid == pod.uid:
            del pods[pod.name]
        if not pods:
            self._pods.pop(pod.node, None)

    def pod(self, node: str, run: str, *, is_proof: bool = False, is_before_drain: bool = False) -> PodView | None:
        """Find the pod of a run for a node, of the kind that is asked for; where no run has the node, any."""
        kind = (is_proof, is_before_drain)
        found = [
            each for each in self._pods.get(node, {}).values() if (each.is_proof, each.is_before_drain) == kind
        ]
        return next((each for each in found if each.run == run or not run), None)

    def action(self, node: NodeView) -> str:
        """Say what is to be done on a node that a run has, or is to have."""
        return wish_of(node, self.wanted, self.members) or INSTALL

    def in_work(self) -> Iterator[str]:
        """Name the nodes that a run has, or that marks of a drain or pods of ours are left on."""
        yield from self.changing
        yield from (name for name, node in self.meant.items() if node.is_being_emptied and not node.claim)
        yield from (name for name in self._pods if not ((node := self.nodes.get(name)) and node.claim))

    def _judge(self, node: NodeView) -> None:
        wish = wish_of(node, self.wanted, self.members)
        if wish or node.is_ours or node.is_being_emptied or self.members.chooses(node):
            self.meant[node.name] = node
        else:
            self.meant.pop(node.name, None)
        if wish and not node.claim:
            self.due[node.name] = wish
        else:
            self.due.pop(node.name, None)
        if node.claim:
            self.changing.add(node.name)
        else:
            self.changing.discard(node.name)

    def _forget(self, name: str) -> None:
        self.changing.discard(name)
        for each in (self.nodes, self.meant, self.due):
            each.pop(name, None)


def _is_newer(one: str, other: str) -> bool:
    """Compare resourceVersions, which are numbers (KEP-5504); what is none counts as newer."""
    return not (one.isdigit() and other.isdigit()) or int(one) >= int(other)
