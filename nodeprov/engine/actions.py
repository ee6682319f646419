"""What a plan does on a node besides writing states: proofs, swaps of files, the eviction of pods."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, replace
from typing import Any, Protocol

from nodeprov.engine.context import Cancellation
from nodeprov.engine.look import Uninstall
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError, RolledBack
from nodeprov.hosts.base import Host, Hosts, Place
from nodeprov.kubernetes import images
from nodeprov.kubernetes.drainer import Drainer
from nodeprov.kubernetes.draining import allowed_of
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.init_containers import read_init_containers
from nodeprov.kubernetes.proof_pods import Prover
from nodeprov.node import dry_start
from nodeprov.node.facts import gather
from nodeprov.node.layout import Layout
from nodeprov.node.loaded_config import is_what_was_read
from nodeprov.node.state import MOST_NAMED, Facts, NodeState
from nodeprov.node.switch import Switch
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import FileAt
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Drain, Names, Pod, Probes, Sandbox, Swap
from nodeprov.runtimes.family import Family
from nodeprov.states import FileState

POLL_SECONDS = 0.5


class Containerd:
    """The containerd of one node: proofs, and what it has loaded."""

    def __init__(
        self, host: Host, state: NodeState, family: Family, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._host = host
        self._state = state
        self._family = family
        self._sleep = sleep
        self._layouts: tuple[Layout, ...] = (state.layout,)

    def made(self, handler: str) -> str:
        """See what a distribution has made of the template or the drop-in that was edited.

        It is the distribution that expands it, at its start: nobody else knows what it comes to.
        """
        daemon = self._look().running_daemon
        layout = next((each for each in self._layouts if each.handler == handler), self._state.layout)
        runtime = self._family.runtime(layout)
        path = runtime.program_of(daemon.effective.runtime(runtime.handler))
        if path != (runtime.program if handler else None):
            raise NodeprovError(
                f"{daemon.edited_path} was edited, and yet {daemon.config_path} "
                f"{'names no' if path is None else 'names a'} runtime {runtime.handler}",
                f"journalctl -u {daemon.unit} on the node",
                where=self._host.name,
            )
        return f"{daemon.config_path} {'names the shim' if path else 'has no table of nodeprov'}"

    def sandbox(self, generation: str) -> str:
        """Run a sandbox through a generation's folder; return the kernel it saw."""
        return self._family.run_sandbox(self._host, self._state, generation)

    def still_serving(self) -> None:
        """See that containerd serves now; raise NodeprovError, with what it says, if it does not."""
        daemon = self._look().running_daemon
        if daemon.cri_errors:
            raise NodeprovError(
                f"containerd's CRI plugin does not work: {'; '.join(daemon.cri_errors)}",
                f"journalctl -u {daemon.unit} on the node",
                where=self._host.name,
            )

    def in_use(self) -> Mapping[str, str]:
        """Find our files that processes, and bundles of stopped containers, still need, and whose these are."""
        footprint = self._look().footprint
        return {path: footprint.by_whom([path]) for path in footprint.needed(*self._layouts)}

    def wait_until_unused(self, timeout_seconds: float) -> None:
        """Wait until nothing needs our files; raise NodeprovError, naming what does, if that takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while needing := self.in_use():
            if time.monotonic() > deadline:
                raise NodeprovError(f"still in use by {_some(needing)}", "", where=self._host.name)
            self._sleep(POLL_SECONDS)

    def unused(self) -> str:
        """See that nothing needs our files; raise NodeprovError, naming what does."""
        if needing := self.in_use():
            raise NodeprovError(
                f"what this run would remove is still in use by {_some(needing)}",
                "delete its pod, or uninstall with --drain",
                where=self._host.name,
            )
        return "nothing names our files"

    def write_record(self, swap: Swap) -> None:
        """Write down what the daemon has read that a swap has started, unless it was edited after that."""
        daemon = self._look().running_daemon
        if not is_what_was_read(daemon, swap.changes):
            return
        record: dict[str, Any] = {**asdict(daemon.identity), "dump": daemon.dump}
        path = f"{self._state.settings.paths.state}/daemon.json"
        self._host.write_file(path, FileState(json.dumps(record).encode(), 0o600))

    def _look(self) -> Facts:
        return gather(self._host, self._state.settings, self._state.layout)


def _some(needing: Mapping[str, str]) -> str:
    """Name who needs something, each once."""
    return ", ".join([*dict.fromkeys(needing.values())][:MOST_NAMED])


class Actions(Probes, Protocol):
    """What carrying out a plan asks for besides the writes of states: swaps, proofs and drains."""

    def try_start(self, swap: Swap) -> None:
        """Raise NodeprovError if the daemon would not serve with the files of a swap."""

    def swap(self, swap: Swap) -> None:
        """Have the node swap files, restart the daemon and see that it serves.

        Raises RolledBack when it did not serve and the node has gone back, and NodeprovError for all else.
        """

    def made_otherwise(self) -> tuple[str, ...]:
        """Name what a distribution has not made as it was, though all that it is made of was put back."""

    def settle(self) -> None:
        """Wait until the node is at work on no swap any more; raise NodeprovError if it does not come to that."""

    def drain(self, step: Drain, on_waiting: Callable[[str], None]) -> None:
        """Cordon the node, wait for pods and evict others; raise NodeprovError if they do not go.

        `on_waiting` hears for whom it waits.
        """

    def in_use(self) -> Mapping[str, str]:
        """Find the files that something still needs, and who that is."""


class NodeActions(Containerd):
    """The actions on one node and in its cluster."""

    def __init__(
        self, planned: Planned, hosts: Hosts, switch: Switch, cancel: Cancellation, *, cordoned: bool
    ) -> None:
        super().__init__(hosts[Place.NODE], planned.state, planned.want.family, cancel.wait)
        self._planned = planned
        self._switch = switch
        self._served = ""
        self._seen: Mapping[str, str] = {}
        """What sandboxes have seen while a node watched its containerd, which it has kept, by generations."""
        self._image: ProofImage | None = None
        self._images = ExitStack()
        self.bystanders: tuple[str, ...] = ()
        """Containers of others that restarts have cut off, in words."""
        self.settle = switch.settle
        self._cancel = cancel
        cluster = self._cluster = hosts.get(Place.CLUSTER)
        where = (planned.settings, planned.node.name, cancel.wait)
        self._layouts = tuple(each.state.layout for each in planned.views)
        self._provers: dict[str, Prover] = {}
        for each in planned.views if cluster else ():
            assert cluster is not None
            self._provers[each.state.layout.handler] = Prover(cluster, each.settings, *where[1:])
        self._drainer = Drainer(cluster, *where, cordoned=cordoned) if cluster else None

    def try_start(self, swap: Swap) -> None:
        """Start the containerd that the restart will start on what it will read, where nothing can be touched."""
        files: dict[str, FileState | None] = {}
        for change in swap.changes:
            resource, after = change.resource, change.after
            assert isinstance(resource, ContainerdConfig)
            assert after is None or isinstance(after, FileState)
            files |= resource.to_be_read(self._host, after)
        dry_start.insist_on_a_start(self._host, self._state.daemon, files)

    def swap(self, swap: Swap) -> None:
        """Have the node swap files, restart containerd and prove that it serves; write down what it has read."""
        seen: dict[str, str] = {}
        recorded: list[Swap] = []

        def meanwhile() -> None:
            """Do now what would be done later; what fails is done again when the node has decided."""
            with suppress(NodeprovError):
                self._begin(swap, seen)
                self.write_record(swap)
                recorded.append(swap)

        try:
            kept = self._switch.hand_over(swap, meanwhile if swap.meanwhile else None, self._init_containers())
        except RolledBack as error:
            self.bystanders = (*self.bystanders, *error.hit)
            raise
        self._served, self._seen = kept.said, seen
        self.bystanders = (*self.bystanders, *kept.hit)
        if not recorded:
            self.write_record(swap)

    def _begin(self, swap: Swap, seen: dict[str, str]) -> None:
        """Begin the proofs behind a swap: run the sandboxes, and bring the pods' image to the node."""
        for proof in swap.meanwhile:
            self._cancel.check()
            match proof:
                case Sandbox():
                    seen[proof.subject] = super().sandbox(proof.subject)
                case Pod() if self._image is None:
                    self._image = self._images.enter_context(self._available())

    def sandbox(self, generation: str) -> str:
        """Run a sandbox through a generation's folder, unless one has run since the restart; return its kernel."""
        seen, self._seen = self._seen, {}
        return seen.get(generation) or super().sandbox(generation)

    def _init_containers(self) -> Names:
        """Ask the cluster which containers are init containers, where the node is to wait for their end."""
        if self._cluster is None or not self._planned.settings.rollout.quiet_seconds:
            return frozenset()
        return read_init_containers(self._cluster, self._planned.settings, self._planned.node.name)

    def made_otherwise(self) -> tuple[str, ...]:
        """Compare the file that a distribution has made again with the one that was there before."""
        daemon = self._state.daemon
        if daemon.source is None:
            return ()
        try:
            if self._host.ask([FileAt(daemon.config_path)])[0] == daemon.config:
                return ()
        except NodeprovError as error:
            return (f"{daemon.config_path}: {error.message}",)
        return (
            f"{daemon.config_path} is not as before: {daemon.distribution.title} has made it again, "
            "of what others had changed since its last start",
        )

    def serving(self) -> str:
        """Return what the node has seen at the end of its last swap."""
        return self._served

    def handler(self, name: str = "") -> str:
        """See that the node reports a handler to the cluster."""
        return self._prover(name).handler()

    def pod(self, handler: str = "") -> str:
        """Run a pod of a handler, whose image is there for that long."""
        with self._images:
            image, self._image = self._image or self._images.enter_context(self._available()), None
            return self._prover(handler).pod(image, self._family.kernel_line)

    def _prover(self, handler: str) -> Prover:
        return self._provers[handler or self._state.layout.handler]

    def close(self) -> None:
        """Remove the pods' image, if it is on the node still."""
        self._images.close()

    def _available(self) -> AbstractContextManager[ProofImage]:
        architecture, daemon = self._state.machine.architecture, self._state.daemon
        return images.available(self._host, architecture, daemon, self._planned.settings)

    def drain(self, step: Drain, on_waiting: Callable[[str], None]) -> None:
        """Wait for pods, and evict others; of an uninstall, wait until nothing needs our files any more."""
        assert self._drainer is not None
        want, settings = self._planned.want, self._planned.settings
        of_uninstall = want if isinstance(want, Uninstall) and not step.whole else None
        self._drainer.allowed = of_uninstall.allowed if of_uninstall else allowed_of(settings)
        if step.wait:
            self._drainer.wait(on_waiting)
        if step.pods or step.whole:
            self._drainer.drain(step.pods, whole=step.whole)
        if of_uninstall:
            self.wait_until_unused(settings.proof.timeout_seconds)

    def forget_proofs(self) -> None:
        """Remove what proofs that were killed have left in the cluster."""
        if self._provers and self._planned.settings.proof.pod:
            self._prover("").sweep()

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
