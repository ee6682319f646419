"""A node under verification: what its checks start from, what they may ask for, and how they end."""

import time
import unittest
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from nodeprov.containerd import Runtime
from nodeprov.errors import ended
from nodeprov.hosts.base import Host, Place, plain
from nodeprov.inventory import Node
from nodeprov.kubernetes import cluster_read, images
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.pod_cgroups import PodCgroups, PodCgroupsQuery
from nodeprov.kubernetes.proof_pods import Pod, Prover
from nodeprov.node.facts import gather
from nodeprov.node.imported_files import Imports, read_imports
from nodeprov.node.layout import Layout
from nodeprov.node.state import ClusterState, NodeState
from nodeprov.runtimes.family import Family

Function = TypeVar("Function", bound=Callable[..., Any])


class Skipped(unittest.SkipTest):
    """Says why a check does not apply to a node; pytest knows its base class and skips as well."""


def skip(reason: str) -> NoReturn:
    """End a check that does not apply to this node, with the reason."""
    raise Skipped(reason)


def needs(*checks: str) -> Callable[[Function], Function]:
    """Name the checks that must not have failed before this one means anything."""

    def named(function: Function) -> Function:
        function.needs = checks  # type: ignore[attr-defined]  # read by the runner
        return function

    return named


def because(cause: str, remedy: str) -> str:
    """Write why a check fails, and the way out."""
    return f"{ended(cause)}\nhint: {ended(remedy)}"


class NodeprovBackend(BaseBackend):  # type: ignore[misc]  # testinfra's own types are partial
    """testinfra's way to a node, over a connection that nodeprov has already."""

    NAME = "nodeprov"

    def __init__(self, host: Host) -> None:
        super().__init__(host.name)
        self._host = host

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command as root."""
        line = self.get_command(command, *args)
        output = self._host.run(plain("testinfra", line))
        return self.result(output.returncode, line, output.stdout, output.stderr)


@dataclass(frozen=True, slots=True)
class Subject:
    """One node, and all that its checks start from."""

    state: NodeState
    family: Family
    hosts: Mapping[Place, Host]
    imports: Imports

    @property
    def layout(self) -> Layout:
        """Where things lie on the node."""
        return self.state.layout

    @property
    def runtime(self) -> Runtime:
        """The table that containerd is to have."""
        return self.family.runtime(self.layout)

    @property
    def generation(self) -> str:
        """The folder of the generation that `current` leads to."""
        return f"{self.layout.handler_folder}/{self.state.footprint.links.get(self.layout.current)}"

    @property
    def release(self) -> str:
        """The name of the release that the current generation names; empty when there is none."""
        return self.state.footprint.generations.get(self.generation, "").rsplit("/", 1)[-1]

    def hint(self, check: str, usual: str) -> str:
        """Return what to type where a check fails; a family may know better than what is usual."""
        return self.family.inspection.hints.get(check, usual)

    @property
    def install(self) -> str:
        """What to type to have the node mended."""
        return f"nodeprov install {self.state.node.name}"


def look(node: Node, hosts: Mapping[Place, Host], family: Family) -> Subject:
    """Read what the checks of one node start from.

    Raises NodeprovError when the node or the cluster cannot be read, or no containerd runs.
    """
    host = hosts[Place.NODE]
    layout = Layout.of(node.settings, family.program)
    facts = gather(host, node.settings, layout)
    imports = read_imports(host, facts.running_daemon)
    on_cluster = hosts.get(Place.CLUSTER)
    cluster = cluster_read.read(on_cluster, node.settings, node.name) if on_cluster else None
    return Subject(NodeState.of(node, layout, facts, cluster), family, hosts, imports)


class Given(ExitStack):
    """All that the checks of one node work with; at its end the pods and their image are removed.

    `sleep` is how they wait for a pod; it may raise what is to end them.
    """

    def __init__(self, subject: Subject, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__()
        self.subject = subject
        self._sleep = sleep

    @cached_property
    def host(self) -> TestinfraHost:
        """The node as testinfra sees it."""
        return TestinfraHost(NodeprovBackend(self.subject.hosts[Place.NODE]))

    @cached_property
    def cluster(self) -> ClusterState:
        """What is known of the cluster."""
        if self.subject.state.cluster is None:
            skip("[cluster] enabled is false")
        return self.subject.state.cluster

    @cached_property
    def runtime_class(self) -> dict[str, Any]:
        """The RuntimeClass, which another check has found."""
        return dict(self.cluster.runtime_class or {})

    @cached_property
    def prover(self) -> Prover:
        """The cluster, as something that runs pods on the node."""
        subject, _ = self.subject, self.cluster
        if not subject.state.settings.proof.pod:
            skip("[proof] pod is false: none is run")
        return Prover(subject.hosts[Place.CLUSTER], subject.state.settings, subject.state.node.name, self._sleep)

    @cached_property
    def image(self) -> ProofImage:
        """The image of the pods, on the node; where no pod is run, it is not brought there."""
        subject, _ = self.subject, self.prover
        host, state = subject.hosts[Place.NODE], subject.state
        image = images.available(host, state.machine.architecture, state.daemon, subject.state.settings)
        return self.enter_context(image)

    @cached_property
    def pod(self) -> Pod:
        """A pod that runs on the node."""
        return self.enter_context(self.prover.running_pod(self.image, "serve"))

    @cached_property
    def cgroups(self) -> PodCgroups:
        """The cgroups around the pod's sandbox, before it has worked much."""
        if not self.subject.family.inspection.has_process:
            skip(f"{self.subject.family.name} has no process of its own in a pod")
        return cgroups_of(self.subject, self.pod)


def cgroups_of(subject: Subject, pod: Pod) -> PodCgroups:
    """Look at the cgroups around a pod's sandbox."""
    query = PodCgroupsQuery(pod.uid, subject.layout.prefix, subject.family.shim)
    found: PodCgroups = subject.hosts[Place.NODE].ask([query])[0]
    return found
