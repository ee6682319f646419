"""Nodes of the lab, each test on one that is as the lab made it; tests run on both workers at the same time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from nodeprov.hosts.local import run_checked
from nodeprov.local_files import cache_folder
from nodeprov_lab.nspawn.lab import NspawnLab
from tests.conftest import RUN
from tests.lab.dispatching import Site, site_in
from tests.lab.machines import (
    CLASS,
    LABEL,
    LEAST,
    NAMESPACE,
    OTHER,
    SECOND,
    WORKER,
    WORKERS,
    Kubectl,
    Machine,
    holding,
    scrub,
    write_kubeconfig,
)
from tests.lab.running import nodeprov

QUICKER = """
# The proof that containerd goes on serving outlasts RestartSec: 5 s in its unit, for a hundred restarts here.
folder=/run/systemd/system/containerd.service.d
mkdir -p $folder && printf '[Service]\\nRestartSec=1\\n' > $folder/quicker.conf && systemctl daemon-reload
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what needs both workers go first, while the other process is busy without the lab."""
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)
        if "other" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.alone)
    items.sort(key=lambda item: [item.get_closest_marker(marker) is None for marker in ("alone", "lab")])


@pytest.fixture(scope="session")
def kubectl(lab: None) -> Kubectl:
    return Kubectl()


@pytest.fixture(scope="session")
def pristine_configs(lab: None) -> dict[str, bytes]:
    """What the lab gave each node; one that an earlier, broken test run has left behind is made anew."""
    with FileLock(RUN / "pristine.lock"):
        if not (RUN / "pristine").exists():
            if any(_is_touched(name) for name in WORKERS):
                _make_lab_anew()
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
    let_nodeprov_in(kubectl)


def let_nodeprov_in(kubectl: Kubectl) -> None:
    """Give nodeprov, in all tests, the role that it prints, for the names of both processes, and no more."""
    for name, runtime_class in (("nodeprov", "gvisor"), ("nodeprov-second", "gvisor-second")):
        names = ("--set", f"runtime_class.name={runtime_class}", "--name", name)
        printed = nodeprov("rbac", "--drain", "--service-account", "kube-system/nodeprov", *names)
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


@pytest.fixture(autouse=True)
def _nodes_are_ours(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold the nodes that a test works on, against the tests of the other process."""
    is_alone = request.node.get_closest_marker("alone") is not None
    names = WORKERS if is_alone else (WORKER,) * bool({"worker", "sound", "lab"} & {*request.fixturenames})
    with holding(*names):
        yield


@pytest.fixture(autouse=True, scope="session")
def _settings_of_our_own() -> None:
    """Have nodeprov use other names in the cluster than the other process does, and wait less."""
    os.environ["NODEPROV_PROOF_STEADY_SECONDS"] = "1"  # what RestartSec asks for remains
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


@pytest.fixture
def site(worker: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path) -> Iterator[Site]:
    """Both workers, and all that a dispatcher is run with."""
    with site_in(kubectl, tmp_path) as site:
        yield site


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
    yield machine
    scrub(machine, kubectl, configs[name])
    machine.host.close()
