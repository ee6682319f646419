"""The life of releases on a cluster behind an air gap, from the lock to the last byte that is given back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import say_at_the_end
from tests.lab.machines import CLASS, CURRENT, NEW, OLD, OTHER, WORKER, Kubectl, Machine, eventually
from tests.lab.releases import Carried, cut_off, in_force, rolled_back, storm
from tests.lab.running import installed, nodeprov
from tests.support.sampling import by_turns

BOTH = (WORKER, OTHER)
PODS = 200
"""How many are started on a worker while it is upgraded."""
SOME = 20
"""How many have ended when the upgrade begins."""


@by_turns
@pytest.mark.timeout(900)
def test_the_story_of_a_release(
    worker: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings = [worker.listing(), other.listing()]
    configs = [worker.config(), other.config()]

    # With a network: lock, sign, bundle, sign.
    old, new = (Carried.of(tmp_path / version, version) for version in (OLD, NEW))
    cut_off(monkeypatch, tmp_path)

    installed(*BOTH, "--from", str(old.bundle), "--max-unavailable", "100%", inventory=old.inventory)
    assert all(OLD in in_force(machine) for machine in (worker, other))

    # The first worker has the canary, beside what runs there; then it is made the main one.
    pid = worker.pid()
    canary(new, "start", "--release", NEW, "--from", str(new.bundle))
    kubectl.pod("of-the-canary", WORKER, sandboxed=True, runtimeClassName=f"{CLASS}-next")
    assert OLD in in_force(worker)
    canary(new, "promote", "--from", str(new.bundle))
    assert (NEW in in_force(worker), OLD in in_force(other)) == (True, True)
    canary(new, "abort", "--drain", "--force")
    assert worker.pid() == pid

    # The second one follows, while pods are being started on it.
    upgraded_under_a_storm(other, kubectl, new)

    # It goes back within a second of its own clock; kubelet may still be at work on the end of the storm.
    seconds = rolled_back(OTHER, inventory=new.inventory)
    for _ in range(3):
        if seconds < 1:
            break
        installed(OTHER, "--from", str(new.bundle), "--forward", inventory=new.inventory)
        seconds = min(seconds, rolled_back(OTHER, inventory=new.inventory))
    assert seconds < 1, f"the node took {seconds} s"
    assert OLD in in_force(other)
    said = nodeprov("status", *BOTH, inventory=new.inventory)
    assert said.returncode == 0, said.stdout
    say_at_the_end(
        "the story of a release",
        [
            f"0 of {PODS} sandboxes failed while a node was upgraded",
            f"rollback: {seconds:.2f} s by the node's clock",
        ],
    )

    # One byte of runsc is another.
    worker.run(f"printf X | dd of=$(readlink -f {CURRENT}/runsc) bs=1 seek=4096 conv=notrunc 2>&1")
    said = nodeprov("status", WORKER, inventory=new.inventory)
    assert said.returncode == 3
    assert re.search(r"disk: \S+/runsc is not the file that was installed", said.stdout), said.stdout
    assert "treat it as tampering" in said.stdout
    installed(WORKER, "--from", str(new.bundle), inventory=new.inventory)
    assert nodeprov("status", WORKER, inventory=new.inventory).returncode == 0

    # What nobody needs goes, as soon as kubelet has removed the last containers of the storm.
    with eventually(120) as more:
        while left := {**releases_on(worker, NEW), **releases_on(other, OLD)}:
            assert more(), left
            assert nodeprov("gc", *BOTH, "--keep", "0", "--yes", inventory=new.inventory).returncode == 0

    # And all of it: bytes as at first.
    with eventually(120) as more:
        while nodeprov("plan", *BOTH, "--uninstall", inventory=new.inventory).returncode != 3:
            assert more(), "something still needs what is installed"
    taken = nodeprov("uninstall", *BOTH, "--yes", inventory=new.inventory)
    assert taken.returncode == 0, taken.stderr
    assert [worker.listing(), other.listing()] == listings
    assert [worker.config(), other.config()] == configs
    assert kubectl.classes() == []


def releases_on(machine: Machine, wanted: str) -> dict[str, str]:
    """Name what releases a node has, unless it is the wanted one alone."""
    found = machine.run("ls /opt/nodeprov/releases")
    return {} if re.fullmatch(rf"{wanted}-\w+\n", found) else {machine.name: found}


def canary(new: Carried, *arguments: str) -> None:
    """Begin, promote or abort the canary of the first worker."""
    said = nodeprov("canary", *arguments, WORKER, "--yes", inventory=new.inventory)
    assert said.returncode == 0, said.stdout + said.stderr


def upgraded_under_a_storm(machine: Machine, kubectl: Kubectl, new: Carried) -> None:
    """Upgrade a node in the middle of a loop of starting pods, none of which may fail."""
    pid = machine.pid()
    kubectl("apply", "-f", "-", stdin=storm(machine.name, PODS))
    assert 0 < ended(kubectl, SOME) < PODS
    installed(machine.name, "--from", str(new.bundle), inventory=new.inventory)
    assert NEW in in_force(machine)
    assert ended(kubectl, 0) < PODS, "no pod was started after the upgrade"
    assert ended(kubectl, PODS) == PODS
    assert machine.pid() == pid
    kubectl("delete", "job", "storm", "--cascade=foreground")


def ended(kubectl: Kubectl, pods: int) -> int:
    """Wait until so many pods of the storm have ended; return how many have. None may have failed."""
    with eventually(400) as more:
        while True:
            status = kubectl.json("get", "job", "storm")["status"]
            assert not status.get("failed"), status
            if (count := int(status.get("succeeded", 0))) >= pods:
                return count
            assert more(), f"{count} of {pods} pods have ended"
