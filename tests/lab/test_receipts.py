"""What receipts remember outlasts a change of settings, a cloned disk, and their own loss."""

from __future__ import annotations

from pathlib import Path

from tests.lab.machines import CONFIG, NAMESPACE, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

ALONE = {"cluster__enabled": "false"}


def test_another_prefix_and_bin_move_everything_and_leave_nothing_that_nobody_needs(
    worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    before = worker.listing()
    installed(WORKER)
    kubectl.pod("old", WORKER, sandboxed=True)
    worker.run("mkdir -p /srv/bin")
    elsewhere = variant(tmp_path, paths__prefix='"/srv/nodeprov"', paths__bin='"/srv/bin"')

    moved = installed(WORKER, inventory=elsewhere)
    assert "was installed below /opt/nodeprov before" in moved.stdout
    assert f"handlers/runsc/current is kept: in use by pod {NAMESPACE}/old (container " in moved.stdout
    assert worker.run("ls /srv/bin /usr/local/bin | grep -c runsc") == "1\n"
    assert "/opt/nodeprov" not in worker.config().decode()
    assert "Starting gVisor" in kubectl("exec", "old", "--", "dmesg"), "the old sandbox lives on"
    assert nodeprov("verify", WORKER, inventory=elsewhere).returncode == 0
    assert "nothing to do" in installed(WORKER, inventory=elsewhere).stdout

    kubectl("delete", "pod", "old", "--grace-period=1")
    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", inventory=elsewhere)
    assert gone.returncode == 0, gone.stderr
    worker.run("rmdir /srv/bin")
    assert worker.listing() == before
    assert worker.run("ls /srv") == ""


def test_a_cloned_disk_is_told_and_becomes_a_node_of_its_own(worker: Machine, tmp_path: Path) -> None:
    alone = variant(tmp_path, **ALONE)
    pristine, identity = worker.config(), worker.run("cat /etc/machine-id").strip()
    installed(WORKER, inventory=alone)
    worker.run("tr -d - < /proc/sys/kernel/random/uuid > /run/other; mount --bind /run/other /etc/machine-id")
    try:
        cloned = installed(WORKER, inventory=alone)
        assert f"written on another machine (machine-id {identity})" in cloned.stdout
        assert "= record (exists already)" in cloned.stdout
        assert "nothing to do" in installed(WORKER, inventory=alone).stdout
        assert nodeprov("verify", WORKER, inventory=alone).returncode == 0
        assert nodeprov("uninstall", WORKER, "--yes", inventory=alone).returncode == 0
        assert worker.config() == pristine
    finally:
        worker.run("umount /etc/machine-id")


def test_a_newer_receipt_and_a_damaged_one_are_left_alone(worker: Machine, tmp_path: Path) -> None:
    alone = variant(tmp_path, **ALONE)
    installed(WORKER, inventory=alone)
    receipt = "/var/lib/nodeprov/receipts/000001-install.json"
    before = worker.run(f"sha256sum {CONFIG}")
    for breaking, said in (
        (f'sed -i \'s|"schema": [0-9]*|"schema": 99|\' {receipt}', "a newer nodeprov has worked on this node"),
        (f"truncate -s 100 {receipt}", ".json is damaged"),
    ):
        worker.run(f"cp -p {receipt} /root/kept; {breaking}")
        for command in ("install", "uninstall"):
            refused = nodeprov(command, WORKER, "--yes", inventory=alone)
            assert refused.returncode == 1
            assert said in refused.stderr
            assert "hint: " in refused.stderr
        shown = nodeprov("status", WORKER, inventory=alone)
        assert shown.returncode == 1
        assert said in shown.stderr
        assert shown.stderr.startswith(f"{WORKER}: ")
        assert ", generation " in shown.stdout
        worker.run(f"mv /root/kept {receipt}")
    assert worker.run(f"sha256sum {CONFIG}") == before
    assert "nothing to do" in installed(WORKER, inventory=alone).stdout
