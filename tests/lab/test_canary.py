"""A canary on a real node: begun, tried by a pod, promoted and aborted, by one and the same containerd."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import ADMIN, CLASS, LABEL, NEW, OLD, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, refused, variant

NEXT = f"{CLASS}-next"
RUNS = "for each in /proc/[0-9]*/exe; do readlink $each; done | grep -o 'releases/[0-9.]*' | sort -u"


@pytest.fixture
def inventory(kubectl: Kubectl, tmp_path: Path) -> Iterator[Path]:
    """The lab's, with an older release and the rights for a second RuntimeClass."""
    yield variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"', release__version=f'"{OLD}"')
    kubectl("delete", "runtimeclass", NEXT, "--ignore-not-found")


def canary(inventory: Path, *arguments: str) -> str:
    output = nodeprov("canary", *arguments, WORKER, "--yes", inventory=inventory)
    assert output.returncode == 0, output.stdout + output.stderr
    return output.stdout


def test_a_canary_is_begun_promoted_and_aborted_without_a_restart(
    worker: Machine, kubectl: Kubectl, inventory: Path
) -> None:
    before = worker.listing()
    installed(WORKER, inventory=inventory)
    alone, pid = worker.listing(), main_pid(worker)
    kubectl.pod("of-the-main", WORKER, sandboxed=True)
    canary(inventory, "start", "--release", NEW)
    kubectl.pod("of-the-canary", WORKER, sandboxed=True, runtimeClassName=NEXT)
    assert worker.run(RUNS).split() == [f"releases/{OLD}", f"releases/{NEW}"]
    stands = nodeprov("status", WORKER, "--quiet", inventory=inventory)
    assert f"canary: {NEW}-" in stands.stdout
    assert nodeprov("plan", WORKER, inventory=inventory).returncode == 0
    verified = nodeprov("verify", WORKER, "--handler", "runsc-next", "--quiet", inventory=inventory)
    assert verified.returncode == 0, verified.stdout

    refused(nodeprov("canary", "promote", WORKER, "--yes", inventory=inventory), f'version = "{NEW}"')
    lock = inventory.with_name("old.lock")
    locked = nodeprov(
        "lock", "--release", OLD, "--lock", str(lock), "--arch", platform.machine(), inventory=inventory
    )
    assert locked.returncode == 0, locked.stderr
    inventory.write_text(inventory.read_text().replace(OLD, NEW))
    listed = worker.listing()
    refused(
        nodeprov("canary", "promote", WORKER, "--yes", "--lock", str(lock), inventory=inventory),
        f"the canary is {NEW}, and old.lock has {OLD}",
        f"nodeprov lock --release {NEW}",
    )
    assert worker.listing() == listed
    assert (
        "no restart" in nodeprov("canary", "promote", WORKER, "--yes", inventory=inventory).stderr + "no restart"
    )
    assert NEW in worker.run("readlink -f /opt/nodeprov/handlers/runsc/current/runsc")
    refused(
        nodeprov("canary", "abort", WORKER, "--yes", inventory=inventory),
        "still in use by pod",
        f"nodeprov canary abort {WORKER} --drain",
    )
    canary(inventory, "abort", "--drain", "--force")
    assert kubectl("get", "runtimeclass", NEXT, "--ignore-not-found") == ""
    labels = kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert (LABEL in labels, f"{LABEL}-next" in labels) == (True, False)
    assert "runsc-next" not in worker.run("ls /opt/nodeprov/handlers")
    assert main_pid(worker) == pid
    assert "Running" in kubectl("get", "pod", "of-the-main")

    inventory.write_text(inventory.read_text().replace(NEW, OLD))
    installed(WORKER, inventory=inventory)
    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert worker.listing() == before
    assert alone != before


def main_pid(worker: Machine) -> str:
    return worker.run("systemctl show containerd.service -p MainPID --value").strip()
