"""`nodeprov verify`: the checks, run by pytest with testinfra over nodeprov's own connections."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from nodeprov import cluster as kube
from nodeprov import gvisor, receipt
from nodeprov.cluster import ClusterFacts
from nodeprov.daemon import Containerd
from nodeprov.facts import Facts, gather
from nodeprov.gvisor import Layout
from nodeprov.hosts.base import Host
from nodeprov.inventory import Node, Settings
from nodeprov.plan import Place
from nodeprov.report import Finding
from nodeprov.states import State

CHECKS = Path(__file__).parent / "checks"


class NodeprovBackend(BaseBackend):  # type: ignore[misc]  # testinfra's own types are partial
    """testinfra's way to a node, over a connection that nodeprov has already."""

    NAME = "nodeprov"

    def __init__(self, host: Host) -> None:
        super().__init__(host.name)
        self._host = host

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command as root."""
        line = self.get_command(command, *args)
        output = self._host.run(line)
        return self.result(output.returncode, line, output.stdout, output.stderr)


@dataclass(frozen=True, slots=True)
class Subject:
    """One node under verification: what is, and what nodeprov wrote down that it had made."""

    node: Node
    hosts: Mapping[Place, Host]
    facts: Facts
    cluster: ClusterFacts | None
    written: Mapping[str, State | None]

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.node.settings

    @property
    def layout(self) -> Layout:
        """Where things lie on the node."""
        return gvisor.layout(self.settings)

    @property
    def testinfra(self) -> TestinfraHost:
        """The node as testinfra sees it."""
        return TestinfraHost(NodeprovBackend(self.hosts[Place.NODE]))

    @property
    def containerd(self) -> Containerd:
        """The node's containerd."""
        return Containerd(self.hosts[Place.NODE], self.facts, self.settings)


def look(node: Node, hosts: Mapping[Place, Host]) -> Subject:
    """Read what the checks of one node start from."""
    facts = gather(hosts[Place.NODE], node.settings)
    on_cluster = hosts.get(Place.CLUSTER)
    cluster = kube.read(on_cluster, node.settings, node.name) if on_cluster else None
    ours = receipt.installed(receipt.history(facts.receipts), node.settings.runtime.handler)
    return Subject(node, hosts, facts, cluster, receipt.last_written(ours))


def verify(subjects: Sequence[Subject]) -> list[Finding]:
    """Run every check on every subject; a pytest run of its own, silent, with no other plugins' say."""
    plugin = _Collector(subjects)
    arguments = [
        "--import-mode=importlib",
        "-p", "no:terminal",
        "-p", "no:cacheprovider",
        "--disable-plugin-autoload",
        "-c", str(CHECKS / "pytest.ini"),
        f"--rootdir={CHECKS}",
        str(CHECKS),
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()) as said, _without_the_users_pytest_options():
        status = pytest.main(arguments, plugins=[plugin])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the checks could not be run: {status!r}: {said.getvalue()}")
    return plugin.findings


@contextlib.contextmanager
def _without_the_users_pytest_options() -> Iterator[None]:
    """Hide what is meant for the user's own pytest runs; our run would obey it too."""
    hidden = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Collector:
    """Hands the subjects to the checks, and keeps what comes of them."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._subjects = {subject.node.name: subject for subject in subjects}
        self.findings: list[Finding] = []

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check once for each node."""
        metafunc.parametrize("node_name", list(self._subjects), scope="session")

    @pytest.fixture(scope="session")
    def subject(self, node_name: str) -> Subject:
        """Give a check the node it is about."""
        return self._subjects[node_name]

    @pytest.fixture(scope="session")
    def host(self, subject: Subject) -> TestinfraHost:
        """Give a check testinfra's host."""
        return subject.testinfra

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Keep the result of a check, or of what it needed and did not get."""
        report = (yield).get_result()
        if report.when != "call" and report.passed:
            return
        if report.when == "teardown":
            return
        function = getattr(item, "function", None)
        params = getattr(item, "callspec").params  # noqa: B009  pytest's type hides it
        said = ""
        if call.excinfo is not None:
            said = str(call.excinfo.value).split("\nassert ")[0].strip()
        self.findings.append(
            Finding(
                node=params["node_name"],
                check=getattr(item, "originalname", item.name).removeprefix("check_"),
                title=(getattr(function, "__doc__", "") or item.name).strip().splitlines()[0].rstrip("."),
                result="passed" if report.passed else "skipped" if report.skipped else "failed",
                said=said,
                seconds=report.duration,
            )
        )
