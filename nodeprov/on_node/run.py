"""One run of a node, by the engine's own look, plan and apply; whatever comes of it is a result."""

from collections.abc import Callable
from dataclasses import dataclass

from nodeprov.engine import Fleet, Install, Planned, RunContext, Uninstall, Want, apply
from nodeprov.engine.staging import staged
from nodeprov.errors import Busy, NodeprovError
from nodeprov.hosts.provider import HostProvider
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.result import NodeResult
from nodeprov.inventory import Node
from nodeprov.on_node.outcome import Ended, failed
from nodeprov.runtimes import FAMILY
from nodeprov.runtimes.obtaining import Releases

BUSY_SECONDS, RETRY_SECONDS = 60.0, 3.0
"""How long another run is waited for: a node lets go of one that it does not hear any more after 40 s."""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """One run: what is asked, on which node, by which way, and where its release comes from."""

    assignment: Assignment
    node: Node
    hosts: HostProvider
    releases: Releases
    context: RunContext
    clock: Callable[[], float]
    """Seconds, since whenever."""

    def result(self) -> NodeResult:
        """Carry it out; what an operator can act on is in the result, and is not raised."""
        began = self.clock()
        try:
            ended = self._patiently()
        except NodeprovError as error:
            return failed(self.assignment, error, self.clock() - began)
        return ended.result(self.assignment, self.clock() - began)

    def _patiently(self) -> Ended:
        """Wait for another run's end: it may be this one's own, which was killed a moment ago."""
        deadline = self.clock() + BUSY_SECONDS
        while True:
            try:
                whole = self._planned()
                stages = self.assignment.action == "stage"
                planned = staged(whole) if stages else whole
                outcome = apply(planned, self.hosts.of(self.node), self.context)
                return Ended(planned, outcome, self.context.author, stages and whole.plan.restart is not None)
            except Busy:
                if self.clock() > deadline:
                    raise
            self.context.cancel.wait(RETRY_SECONDS)

    def _planned(self) -> Planned:
        want: Want = Uninstall(FAMILY) if self.assignment.action == "uninstall" else Install(FAMILY)
        plans = Fleet([self.node], self.hosts, self.releases).plan(want)
        for error in plans.errors:
            raise error
        [planned] = plans.good
        self._insist_on_the_machine(planned)
        return planned

    def _insist_on_the_machine(self, planned: Planned) -> None:
        """See that this is the machine that the cluster means: a node may have been made anew under its name.

        A plan was made for the one that is there, and nothing was written.
        """
        meant, found = self.assignment.machine_id, planned.state.machine.machine_id
        if meant and found and meant != found:
            raise NodeprovError(
                f"the node {self.node.name} is another machine (machine-id {meant}) than the one that this pod is "
                f"on ({found})",
                f"kubectl get node {self.node.name} -o jsonpath='{{.status.nodeInfo.machineID}}', and "
                "/etc/machine-id there: was it installed anew?",
            )
