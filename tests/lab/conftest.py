"""Nodes of the lab, each test on such as the lab made them. Several processes have a lab each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from nodeprov.local_files import cache_folder
from nodeprov_lab.nspawn.lab import NspawnLab
from tests.conftest import OWN
from tests.lab.dispatching import Site, site_in
from tests.lab.machines import (
    LABEL,
    LEAST,
    OTHER,
    WORKER,
    WORKERS,
    Kubectl,
    Machine,
    scrub,
    write_kubeconfig,
)
from tests.lab.running import nodeprov
from tests.lab.serving import serving_in

QUICKER = """
# The proof that containerd goes on serving outlasts RestartSec: 5 s in its unit, for a hundred restarts here.
folder=/run/systemd/system/containerd.service.d
mkdir -p $folder && printf '[Service]\\nRestartSec=1\\n' > $folder/quicker.conf && systemctl daemon-reload
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a lab."""
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
        _make_lab_anew()
    prepare()
    return {name: (OWN / f"{name}.toml").read_bytes() for name in WORKERS}


def prepare() -> None:
    """Make a lab that is new one for tests, and keep what each node's configuration was."""
    for name in WORKERS:
        machine = Machine(name)
        machine.run(QUICKER)
        (OWN / f"{name}.toml").write_bytes(machine.config())
        machine.host.close()
    let_nodeprov_in(Kubectl())


def let_nodeprov_in(kubectl: Kubectl) -> None:
    """Give nodeprov, in all tests, the role that it prints, and no more."""
    printed = nodeprov("rbac", "--drain", "--service-account", "kube-system/nodeprov")
    assert printed.returncode == 0, printed.stderr
    kubectl("apply", "--namespace=", "-f", "-", stdin=printed.stdout)
    write_kubeconfig("nodeprov", LEAST)


def _make_lab_anew() -> None:
    """Make it with as many workers as it has: others may be using those that no test of ours touches."""
    workers = len(NspawnLab(cache_folder() / "lab").machines) - 1
    for command in (("down",), ("up", "--workers", str(workers))):
        run_checked([sys.executable, "-m", "nodeprov", "lab", *command], command[0], timeout_seconds=600)


def _is_touched(name: str) -> bool:
    machine = Machine(name)
    touched = machine.try_run("ls -d /opt/nodeprov /var/lib/nodeprov; grep /bin/containerd /proc/mounts").stdout
    return bool(touched) or b"runsc" in machine.config()


@pytest.fixture(autouse=True, scope="session")
def _wait_less() -> None:
    """Have nodeprov watch containerd for a shorter time; what RestartSec asks for remains."""
    os.environ["NODEPROV_PROOF_STEADY_SECONDS"] = "1"


@pytest.fixture
def worker(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    """A node."""
    yield from _clean(WORKER, kubectl, pristine_configs)


@pytest.fixture
def other(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[Machine]:
    """A second node."""
    yield from _clean(OTHER, kubectl, pristine_configs)


@pytest.fixture
def site(worker: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path) -> Iterator[Site]:
    """Both workers, and all that a dispatcher is run with."""
    with site_in(kubectl, tmp_path) as site:
        yield site


@pytest.fixture
def served(worker: Machine, other: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    """This process's node, while both nodes serve."""
    with serving_in(kubectl):
        yield worker


@pytest.fixture
def untouched(worker: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    """A node with a plain pod; at the end it must be as it was, and the pod must not have noticed."""
    kubectl.pod("plain", WORKER, sandboxed=False)
    before, plain = worker.listing(), kubectl.container("plain")
    yield worker
    assert worker.listing() == before
    worker.serves()
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (plain["containerID"], plain["restartCount"])
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert not kubectl.classes()


def _clean(name: str, kubectl: Kubectl, configs: dict[str, bytes]) -> Iterator[Machine]:
    machine = Machine(name)
    # After a test that has stopped containerd, kubelet may take a moment until it says that its node is Ready.
    kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=120s")
    yield machine
    scrub(machine, kubectl, configs[name])
    machine.host.close()
