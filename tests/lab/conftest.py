"""Nodes of the lab, each test on one that is as the lab made it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from nodeprov.hosts.local import run_checked
from tests.lab.machines import Kubectl, Machine, scrub

WORKERS = ("worker1", "worker2")

QUICKER = """
# The proof that containerd goes on serving outlasts RestartSec: 5 s in its unit, for a hundred restarts here.
folder=/run/systemd/system/containerd.service.d
mkdir -p $folder && printf '[Service]\\nRestartSec=1\\n' > $folder/quicker.conf && systemctl daemon-reload
"""


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
