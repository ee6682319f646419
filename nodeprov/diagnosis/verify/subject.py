"""A node under verification: what its checks start from, what they may ask for, and how they end."""

import shlex
import time
import unittest
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from nodeprov.containerd import Runtime
from nodeprov.errors import ended
from nodeprov.hosts.base import Host, Output, Place, plain
from nodeprov.inventory import Node
from nodeprov.kubernetes import images
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.pod_cgroups import PodCgroups, PodCgroupsQuery
from nodeprov.kubernetes.proof_pods import Pod, Prover
from nodeprov.node.facts import gather
from nodeprov.node.imported_files import Imports, read_imports
from nodeprov.node.layout import Layout
from nodeprov.node.state import ClusterState, NodeState
from nodeprov.runtimes.family import Family
from nodeprov.states import FileState, LinkState, State

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

    def __init__(self, host: Host, expected: Sequence[str] = ()) -> None:
        """Take a node; the commands that are `expected` are run together when the first command is."""
        super().__init__(host.name)
        self._host = host
        self._expected = tuple(expected)
        self._known: dict[str, bytes] = {}

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command as root, unless it has run with the others that were expected, and ended well."""
        line = self.get_command(command, *args)
        expected, self._expected = self._expected, ()
        if expected:
            answers = self._host.ask([_Line(each) for each in expected])
            self._known = {each: said for each, said in zip(expected, answers, strict=True) if said is not None}
        if line in self._known:
            return self.result(0, line, self._known[line], b"")
        output = self._host.run(plain("testinfra", line))
        return self.result(output.returncode, line, output.stdout, output.stderr)


@dataclass(frozen=True, slots=True)
class _Line:
    """What does a command print? None if it fails: what it complains of shows when it runs alone."""

    script: str

    def parse(self, output: Output) -> bytes | None:
        return None if output.returncode else output.stdout


_OF_TESTINFRA = ("uname -s", "cat /etc/os-release", "uname -m")
"""What testinfra asks before it looks at a file."""


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

    @property
    def flags(self) -> Mapping[str, str]:
        """The flags with which the current generation runs sandboxes, as it was installed."""
        inspection = self.family.inspection
        config = self.members.get(f"{self.generation}/{inspection.config}")
        return inspection.config_flags(config.content.decode()) if isinstance(config, FileState) else {}

    def hint(self, check: str, usual: str) -> str:
        """Return what to type where a check fails; a family may know better than what is usual."""
        return self.family.inspection.hints.get(check, usual)

    @property
    def members(self) -> dict[str, State | None]:
        """What the current generation's folder was given, by path."""
        below = f":{self.generation}/"
        written = self.state.history.written
        return {key.partition(":")[2]: state for key, state in written.items() if below in key}

    @property
    def expected(self) -> tuple[str, ...]:
        """The commands by which the checks look at what was installed, where it is as it was."""
        quoted = {path: shlex.quote(path) for path in (*self.members, self.layout.link_for_people) if path}
        links = {path for path, state in self.members.items() if isinstance(state, LinkState)}
        people, current = quoted.pop(self.layout.link_for_people, ""), shlex.quote(self.layout.current)
        program = shlex.quote(f"{self.layout.current}/{self.layout.program}")
        return (
            *_OF_TESTINFRA,
            f"test -L {current}",
            *(f"readlink {word}" for path, word in quoted.items() if path in links),
            *(
                line
                for path, word in quoted.items()
                if path not in links
                for line in (f"test -e {word}", f"cat -- {word}", f"stat -Lc %a {word}")
            ),
            f"{program} --version",
            *([f"readlink {people}"] if people else []),
        )

    @property
    def install(self) -> str:
        """What to type to have the node mended."""
        return f"nodeprov install {self.state.node.name}"


def look(node: Node, hosts: Mapping[Place, Host], family: Family, reads: ClusterReads | None = None) -> Subject:
    """Read what the checks of one node start from.

    `reads` has what is known of a cluster that nodes share; without it the cluster is read for this node.
    Raises NodeprovError when the node or the cluster cannot be read, or no containerd runs.
    """
    host = hosts[Place.NODE]
    layout = Layout.of(node.settings, family.program)
    facts = gather(host, node.settings, layout)
    imports = read_imports(host, facts.running_daemon)
    cluster = (reads or ClusterReads([node], lambda _node: hosts)).of(node) if Place.CLUSTER in hosts else None
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
        return TestinfraHost(NodeprovBackend(self.subject.hosts[Place.NODE], self.subject.expected))

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
