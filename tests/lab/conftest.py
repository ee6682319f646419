"""Nodes of the lab, each test on one that is as the lab made it; tests run on both workers at the same time."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import pytest
from filelock import FileLock

from nodeprov.hosts.local import run_checked
from tests.conftest import RUN
from tests.lab.machines import CLASS, LABEL, NAMESPACE, OTHER, SECOND, WORKER, Kubectl, Machine, scrub

_matrix: dict[str, tuple[str, float]] = {}
"""What came of each row of the SSH matrix, and its seconds."""

WORKERS = ("worker1", "worker2")

QUICKER = """
# The proof that containerd goes on serving outlasts RestartSec: 5 s in its unit, for a hundred restarts here.
folder=/run/systemd/system/containerd.service.d
mkdir -p $folder && printf '[Service]\\nRestartSec=1\\n' > $folder/quicker.conf && systemctl daemon-reload
"""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file, _, name = report.nodeid.partition("::")
    if not file.endswith("lab/test_ssh.py"):
        return
    row = name.partition("[")[2].removesuffix("]") or name.removeprefix("test_").replace("_", " ")
    outcome, seconds = _matrix.get(row, ("passed", 0.0))
    outcome = report.outcome if report.outcome != "passed" else outcome
    _matrix[row] = (outcome, seconds + (report.duration if report.when == "call" else 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the SSH matrix, if its tests were run."""
    if not _matrix:
        return
    terminalreporter.section("SSH matrix")
    width = max(map(len, _matrix))
    for row, (outcome, seconds) in _matrix.items():
        terminalreporter.write_line(f"{row:{width}}  {outcome:7}  {seconds:5.1f} s")
    passed = sum(outcome == "passed" for outcome, _ in _matrix.values())
    terminalreporter.write_line(f"{passed} of {len(_matrix)} rows passed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def kubectl(lab: None) -> Kubectl:
    return Kubectl()


@pytest.fixture(scope="session")
def pristine_configs(lab: None) -> dict[str, bytes]:
    """What the lab gave each node; one that an earlier, broken test run has left behind is made anew."""
    with FileLock(RUN / "pristine.lock"):
        if not (RUN / "pristine").exists():
            if any(_is_touched(name) for name in WORKERS):
                for command in ("down", "up"):
                    run_checked([sys.executable, "-m", "nodeprov", "lab", command], command, timeout_seconds=600)
            prepare()
            (RUN / "pristine").touch()
    return {name: (RUN / f"{name}.toml").read_bytes() for name in WORKERS}


def prepare() -> None:
    """Make a lab that is new one for tests, and keep what each node's configuration was."""
    for name in WORKERS:
        machine = Machine(name)
        machine.run(QUICKER)
        (RUN / f"{name}.toml").write_bytes(machine.config())
        machine.host.close()
    kubectl = Kubectl()
    kubectl.attempt("create", "namespace", "second")
    kubectl("wait", "--for=create", "serviceaccount/default", "-n=second", "--timeout=60s")


def _is_touched(name: str) -> bool:
    machine = Machine(name)
    touched = machine.try_run("ls -d /opt/nodeprov /var/lib/nodeprov").stdout
    return b"nodeprov" in touched or b"runsc" in machine.config()


@pytest.fixture(autouse=True)
def _nodes_are_ours(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold the nodes that a test works on, against the tests of the other process."""
    wanted = {"worker": WORKER, "sound": WORKER, "lab": WORKER, "other": OTHER}
    names = {name for fixture, name in wanted.items() if fixture in request.fixturenames}
    if request.node.get_closest_marker("alone"):
        names = {WORKER, OTHER}
    with contextlib.ExitStack() as held:
        for name in sorted(names):  # always in this order, so that no two wait for each other
            held.enter_context(FileLock(RUN / f"{name}.lock"))
        yield


@pytest.fixture(autouse=True, scope="session")
def _names_of_our_own() -> None:
    """Have nodeprov use, in this process's tests, other names in the cluster than in the other's."""
    if SECOND:
        os.environ["NODEPROV_RUNTIME_CLASS_NAME"] = CLASS
        os.environ["NODEPROV_LABEL_KEY"] = LABEL
    assert NAMESPACE in ("default", "second")


@pytest.fixture
def worker(_nodes_are_ours: None, kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    """This process's own node."""
    yield from _clean(WORKER, kubectl, pristine_configs)


@pytest.fixture
def other(_nodes_are_ours: None, kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    """A second node, which is the other process's own."""
    yield from _clean(OTHER, kubectl, pristine_configs)


def _clean(name: str, kubectl: Kubectl, configs: dict[str, bytes]) -> Iterator[Machine]:
    machine = Machine(name)
    yield machine
    scrub(machine, kubectl, configs[name])
    machine.host.close()
