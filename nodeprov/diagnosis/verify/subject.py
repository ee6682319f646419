"""A node under verification: what is there, and what nodeprov wrote down that it had made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from nodeprov.containerd import Runtime
from nodeprov.engine.containerd_probe import Containerd
from nodeprov.hosts.base import Host, Place
from nodeprov.hosts.script import plain
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster as kube
from nodeprov.node.facts import gather
from nodeprov.node.imported_files import Imports, read_imports
from nodeprov.node.layout import Layout
from nodeprov.node.state import NodeState
from nodeprov.runtimes.family import Family
from nodeprov.states import State


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
    def node(self) -> Node:
        """The node."""
        return self.state.node

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.state.settings

    @property
    def written(self) -> Mapping[str, State | None]:
        """What nodeprov has last written, by the resource's key."""
        return self.state.history.written

    @property
    def layout(self) -> Layout:
        """Where things lie on the node."""
        return self.state.layout

    @property
    def testinfra(self) -> TestinfraHost:
        """The node as testinfra sees it."""
        return TestinfraHost(NodeprovBackend(self.hosts[Place.NODE]))

    @property
    def containerd(self) -> Containerd:
        """The node's containerd."""
        return Containerd(self.hosts[Place.NODE], self.state, self.family)

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
        """Say what to type where a check fails; a family may know better than what is usual."""
        return self.family.inspection.hints.get(check, usual)

    @property
    def install(self) -> str:
        """What to type to have the node mended."""
        return f"nodeprov install {self.node.name}"


def look(node: Node, hosts: Mapping[Place, Host], family: Family) -> Subject:
    """Read what the checks of one node start from.

    Raises NodeprovError when the node or the cluster cannot be read, or no containerd runs.
    """
    host = hosts[Place.NODE]
    layout = Layout.of(node.settings, family.program)
    facts = gather(host, node.settings, layout)
    imports = read_imports(host, facts.running_daemon)
    on_cluster = hosts.get(Place.CLUSTER)
    cluster = kube.read(on_cluster, node.settings, node.name) if on_cluster else None
    return Subject(NodeState.of(node, layout, facts, cluster), family, hosts, imports)
