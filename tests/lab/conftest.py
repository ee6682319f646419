"""Nodes of the lab, each test on one that is as the lab made it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from nodeprov.hosts.local import run_checked
from tests.lab.machines import Kubectl, Machine, scrub

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
    if any(_is_touched(name) for name in WORKERS):
        for command in ("down", "up"):
            run_checked([sys.executable, "-m", "nodeprov", "lab", command], f"lab {command}", timeout_seconds=600)
    for name in WORKERS:
        Machine(name).run(QUICKER)
    return {name: Machine(name).config() for name in WORKERS}


def _is_touched(name: str) -> bool:
    machine = Machine(name)
    touched = machine.try_run("ls -d /opt/nodeprov /var/lib/nodeprov").stdout
    return b"nodeprov" in touched or b"runsc" in machine.config()


@pytest.fixture
def worker1(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    yield from _clean("worker1", kubectl, pristine_configs)


@pytest.fixture
def worker2(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    yield from _clean("worker2", kubectl, pristine_configs)


def _clean(name: str, kubectl: Kubectl, configs: dict[str, bytes]) -> Iterator[Machine]:
    machine = Machine(name)
    yield machine
    scrub(machine, kubectl, configs[name])
    kubectl("delete", "runtimeclass", "gvisor", "--ignore-not-found")
    machine.host.close()
