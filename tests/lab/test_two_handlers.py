"""Two handlers on one node: what both have is counted by owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import ADMIN, CLASS, LABEL, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, refused, variant
from tests.support.sampling import by_turns

PEOPLE = "readlink /usr/local/bin/runsc"
SECOND = ("--set", "runtime.handler=kvm", "--set", f"runtime_class.name={CLASS}-kvm")
"""What makes of an inventory that of a second handler, with the label of the first one."""

pytestmark = by_turns


@pytest.fixture
def inventory(kubectl: Kubectl, tmp_path: Path) -> Iterator[Path]:
    """The lab's, with the rights for a second RuntimeClass."""
    yield variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')
    kubectl("delete", "runtimeclass", f"{CLASS}-kvm", "--ignore-not-found")


def test_the_second_handler_leaves_and_the_first_one_stays_as_it_was(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    before = worker.listing()
    installed(WORKER, inventory=inventory)
    alone = worker.listing()
    installed(WORKER, *SECOND, inventory=inventory)
    assert worker.run(PEOPLE).strip() == "/opt/nodeprov/handlers/runsc/current/runsc"
    assert nodeprov("plan", WORKER, inventory=inventory).returncode == 0
    kubectl.pod("of-the-first", WORKER, sandboxed=True)
    kubectl.pod("of-the-second", WORKER, sandboxed=True, runtimeClassName=f"{CLASS}-kvm")

    refused(
        nodeprov("uninstall", WORKER, "--yes", *SECOND, inventory=inventory),
        "still in use by pod",
        "/of-the-second (",
    )
    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", *SECOND, inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "stays: the handler runsc on this node has it too" in gone.stdout
    assert worker.listing() == alone
    labels = kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert labels[LABEL] == "true"
    assert kubectl("get", "runtimeclass", f"{CLASS}-kvm", "--ignore-not-found") == ""
    assert "Running" in kubectl("get", "pod", "of-the-first")
    verified = nodeprov("verify", WORKER, "--quiet", inventory=inventory)
    assert verified.returncode == 0, verified.stdout

    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert worker.listing() == before


def test_the_first_handler_leaves_and_the_second_one_has_all_that_both_had(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    before = worker.listing()
    installed(WORKER, inventory=inventory)
    installed(WORKER, *SECOND, inventory=inventory)
    gone = nodeprov("uninstall", WORKER, "--yes", inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert worker.run(PEOPLE).strip() == "/opt/nodeprov/handlers/kvm/current/runsc"
    assert kubectl.json("get", "node", WORKER)["metadata"]["labels"][LABEL] == "true"
    assert nodeprov("plan", WORKER, *SECOND, inventory=inventory).returncode == 0
    verified = nodeprov("verify", WORKER, "--quiet", *SECOND, inventory=inventory)
    assert verified.returncode == 0, verified.stdout
    gone = nodeprov("uninstall", WORKER, "--yes", *SECOND, inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert worker.listing() == before


def test_both_come_by_one_inventory_and_one_restart_and_leave_one_by_one(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    text = inventory.read_text()
    inventory.write_text(f'{text}\n[handlers.kvm]\nflags = {{ debug = "true" }}\n')
    before, pid = worker.listing(), main_pid(worker)
    installed(WORKER, inventory=inventory)
    restarted = main_pid(worker)
    assert restarted != pid
    assert nodeprov("plan", WORKER, inventory=inventory).returncode == 0
    verified = nodeprov("verify", WORKER, "--quiet", inventory=inventory)
    assert verified.returncode == 0, verified.stdout
    stands = nodeprov("status", WORKER, "--quiet", inventory=inventory)
    assert stands.returncode == 0, stands.stdout
    assert f"{WORKER}: kvm: " in stands.stdout
    kubectl.pod("of-the-first", WORKER, sandboxed=True)
    kubectl.pod("of-the-second", WORKER, sandboxed=True, runtimeClassName=f"{CLASS}-kvm")
    drained = ("--yes", "--drain", "--force")
    gone = nodeprov("uninstall", WORKER, "--handler", "kvm", *drained, inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "Running" in kubectl("get", "pod", "of-the-first")
    labels = kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert (LABEL in labels, f"{LABEL}-kvm" in labels) == (True, False)
    assert nodeprov("plan", WORKER, "--handler", "runsc", inventory=inventory).returncode == 0
    installed(WORKER, inventory=inventory)
    gone = nodeprov("uninstall", WORKER, *drained, inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert worker.listing() == before


def main_pid(worker: Machine) -> str:
    return worker.run("systemctl show containerd.service -p MainPID --value").strip()
