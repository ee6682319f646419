"""Two handlers on one node: what both have is counted by owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import ADMIN, CLASS, LABEL, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, refused, variant

PEOPLE = "readlink /usr/local/bin/runsc"


@pytest.fixture
def second(kubectl: Kubectl, tmp_path: Path) -> Iterator[Path]:
    """The inventory of a second handler, with the label of the first one."""
    name = f"{CLASS}-kvm"
    yield variant(
        tmp_path,
        cluster__kubeconfig=f'"{ADMIN}"',
        runtime__handler='"kvm"',
        runtime_class__name=f'"{name}"',
    )
    kubectl("delete", "runtimeclass", name, "--ignore-not-found")


def test_the_second_handler_leaves_and_the_first_one_stays_as_it_was(
    worker: Machine, kubectl: Kubectl, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')
    before = worker.listing()
    installed(WORKER, inventory=first)
    alone = worker.listing()
    monkeypatch.setenv("NODEPROV_RUNTIME_CLASS_NAME", f"{CLASS}-kvm")
    installed(WORKER, inventory=second)
    monkeypatch.delenv("NODEPROV_RUNTIME_CLASS_NAME")
    assert worker.run(PEOPLE).strip() == "/opt/nodeprov/handlers/runsc/current/runsc"
    assert nodeprov("plan", WORKER, inventory=first).returncode == 0
    kubectl.pod("of-the-first", WORKER, sandboxed=True)
    kubectl.pod("of-the-second", WORKER, sandboxed=True, runtimeClassName=f"{CLASS}-kvm")

    refused(nodeprov("uninstall", WORKER, "--yes", inventory=second), "still in use by pod", "/of-the-second (")
    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", inventory=second)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "stays: the handler runsc on this node has it too" in gone.stdout
    assert worker.listing() == alone
    labels = kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert labels[LABEL] == "true"
    assert kubectl("get", "runtimeclass", f"{CLASS}-kvm", "--ignore-not-found") == ""
    assert "Running" in kubectl("get", "pod", "of-the-first")
    verified = nodeprov("verify", WORKER, "--quiet", inventory=first)
    assert verified.returncode == 0, verified.stdout

    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", inventory=first)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert worker.listing() == before
