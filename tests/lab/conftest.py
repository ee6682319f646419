"""Nodes of the lab, each test on one that is as the lab made it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.machines import Kubectl, Machine, scrub


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def kubectl(lab: None) -> Kubectl:
    return Kubectl()


@pytest.fixture(scope="session")
def pristine_configs(lab: None) -> dict[str, bytes]:
    """What the lab gave each node, before any test."""
    return {name: Machine(name).config() for name in ("worker1", "worker2")}


@pytest.fixture
def worker1(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    yield from _clean("worker1", kubectl, pristine_configs)


@pytest.fixture
def worker2(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    yield from _clean("worker2", kubectl, pristine_configs)


def _clean(name: str, kubectl: Kubectl, configs: dict[str, bytes]) -> Iterator[Machine]:
    machine = Machine(name)
    assert b"runsc" not in configs[name], "the lab is not as it was made: nodeprov lab down, and again"
    yield machine
    scrub(machine, kubectl, configs[name])
    kubectl("delete", "runtimeclass", "gvisor", "--ignore-not-found")
    machine.host.close()
