"""The checks of verify are plain functions: pytest runs them too, beside tests of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from nodeprov import inventory
from nodeprov.diagnosis.verify.checks import check_node, check_pod
from nodeprov.diagnosis.verify.subject import Given, look
from nodeprov.hosts.provider import SshHosts
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.lab.machines import WORKER, Kubectl, Machine, scrub
from tests.lab.running import INVENTORY, installed


@pytest.fixture(scope="module")
def given(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Given]:
    whole = inventory.parse(INVENTORY.read_text(), str(INVENTORY), environment=os.environ)
    node = inventory.select(whole, [WORKER])[0]
    installed(WORKER)
    with SshHosts(whole) as hosts, Given(look(node, hosts.of(node), GVISOR)) as given:
        yield given
    scrub(Machine(WORKER), kubectl, pristine_configs[WORKER])


def fixture(name: str) -> Any:
    """Make a fixture of what a check may ask for by this name."""
    return pytest.fixture(scope="module", name=name)(lambda given: getattr(given, name))


subject, host, pod = fixture("subject"), fixture("host"), fixture("pod")

test_the_current_generation_is_the_one_that_was_installed = check_node.check_current_generation
test_the_files_of_the_release_are_as_they_were_installed = check_node.check_release_files
test_the_running_containerd_has_loaded_the_runtime = check_node.check_loaded
test_a_pod_runs = check_pod.check_pod_runs


def test_tests_of_ones_own_use_the_same_host(host: Any) -> None:
    assert host.service("containerd").is_running
