"""What a plan does on a node besides writing states."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from nodeprov.engine.containerd_probe import Containerd
from nodeprov.engine.context import Cancellation
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Hosts, Place
from nodeprov.kubernetes import images
from nodeprov.kubernetes.draining import Drainer
from nodeprov.kubernetes.proof_pods import Prover
from nodeprov.node.switch import Switch
from nodeprov.plan.plan import Outcome
from nodeprov.plan.proof import Probes
from nodeprov.plan.steps import Drain, Swap


class Actions(Probes, Protocol):
    """What carrying out a plan asks for besides the writes of states: swaps, proofs and drains."""

    def swap(self, swap: Swap) -> None:
        """Have the node swap files, restart the daemon and see that it serves.

        Raises RolledBack when it did not serve and the node has gone back, and NodeprovError for all else.
        """

    def settle(self) -> None:
        """Wait until the node is at work on no swap any more; raise NodeprovError if it does not come to that."""

    def drain(self, step: Drain) -> None:
        """Cordon the node and evict pods; raise NodeprovError if they do not go."""

    def in_use(self) -> tuple[str, ...]:
        """Name the files that a container still needs."""


class NodeActions:
    """The actions on one node and in its cluster."""

    def __init__(
        self, planned: Planned, hosts: Hosts, switch: Switch, cancel: Cancellation, *, cordoned: bool
    ) -> None:
        self._planned = planned
        self._host = hosts[Place.NODE]
        self._containerd = Containerd(hosts[Place.NODE], planned.state, planned.want.family, cancel.wait)
        self._switch = switch
        self._served = ""
        # These need nothing besides.
        self.made, self.sandbox = self._containerd.made, self._containerd.sandbox
        self.unused, self.in_use = self._containerd.unused, self._containerd.in_use
        self.settle = switch.settle
        cluster = hosts.get(Place.CLUSTER)
        where = (planned.settings, planned.node.name, cancel.wait)
        self._prover = Prover(cluster, *where) if cluster else None
        self._drainer = Drainer(cluster, *where, cordoned=cordoned) if cluster else None

    def swap(self, swap: Swap) -> None:
        """Have the node swap files, restart containerd and prove that it serves; write down what it has read."""
        self._served = self._switch.hand_over(swap)
        self._containerd.write_record(swap)

    def serving(self) -> str:
        """Say what the node has seen at the end of its last swap."""
        return self._served

    def handler(self) -> str:
        """See that the node tells the cluster of the handler."""
        assert self._prover is not None
        return self._prover.handler()

    def pod(self) -> str:
        """Run a pod, whose image is there for that long."""
        assert self._prover is not None
        state = self._planned.state
        where = (self._host, state.machine.architecture, state.daemon)
        with images.available(*where, self._planned.settings) as image:
            return self._prover.pod(image, self._planned.want.family.kernel_line)

    def drain(self, step: Drain) -> None:
        """Evict the sandboxed pods, and wait until nothing needs our files."""
        assert self._drainer is not None
        self._drainer.drain(step.pods)
        self._containerd.wait_until_unused(self._planned.settings.proof.timeout_seconds)

    def forget_proofs(self) -> None:
        """Remove what proofs that were killed have left in the cluster."""
        if self._prover is not None and self._planned.settings.proof.pod:
            self._prover.sweep()

    def uncordoned(self, outcome: Outcome) -> Outcome:
        """Uncordon what `drain` has cordoned; say so if that cannot be done."""
        if self._drainer is None:
            return outcome
        try:
            self._drainer.uncordon()
        except NodeprovError as error:
            said = f"the node is still cordoned ({error.message}): kubectl uncordon {outcome.plan.node}"
            return replace(outcome, left=(*outcome.left, said))
        return outcome
