"""What nodeprov says of a real node is what it has done, and what is there."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nodeprov import inventory
from nodeprov.engine.fleet import Fleet
from nodeprov.engine.look import Install
from nodeprov.engine.transaction import apply
from nodeprov.hosts.local import run_program
from nodeprov.hosts.provider import SshHosts
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event, Proof
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.lab.machines import CLASS, CONFIG, LABEL, NEW, OLD, OTHER, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, started, variant
from tests.support.samples import a_run
from tests.support.sampling import by_turns

pytestmark = by_turns

CURRENT = "/opt/nodeprov/handlers/runsc/current"


def failing_install(path: Path) -> Outcome:
    """An install that is cancelled behind its first proof, and so takes back what it has made."""
    whole = inventory.parse(path.read_text(), str(path), environment=os.environ)
    with SshHosts(whole) as provider:
        plans = Fleet(inventory.select(whole, [WORKER]), provider).plan(Install(GVISOR))
        assert not plans.errors, plans.errors
        (planned,) = plans.good
        run = a_run()

        def on_event(event: Event) -> None:
            if isinstance(event.step, Proof) and event.phase == "done":
                run.cancel.cancel()

        return apply(planned, provider.of(planned.node), replace(run, on_event=on_event))


@pytest.mark.parametrize(
    "change",
    [{"release__version": f'"{NEW}"'}, {"runtime__flags": '{ debug-log = "/var/log/m.log" }'}],
    ids=["another release", "other flags for the release that runs"],
)
def test_a_failed_install_leaves_nothing_while_a_pod_of_an_older_generation_runs(
    worker: Machine, kubectl: Kubectl, tmp_path: Path, change: dict[str, str]
) -> None:
    installed(WORKER, inventory=variant(tmp_path, release__version=f'"{OLD}"'))
    kubectl.pod("old", WORKER, sandboxed=True)
    before = worker.run("find /opt/nodeprov | sort")
    outcome = failing_install(variant(tmp_path, **{"release__version": f'"{OLD}"', **change}))
    assert outcome.exit_code == 1
    assert (outcome.kept, outcome.left) == ((), ())
    assert worker.run("find /opt/nodeprov | sort") == before
    assert "Starting gVisor" in kubectl("exec", "old", "--", "dmesg"), "the old sandbox lives on"


DAMAGE = {
    f"sed -i '/runtimes.runsc/,$d' {CONFIG}": f"{CONFIG} has no runtime runsc any more",
    f"rm $(readlink -f {CURRENT}/runsc)": "/runsc is missing",
    f"printf X | dd of=$(readlink -f {CURRENT}/runsc) bs=1 seek=4096 conv=notrunc 2>&1": "is not the file",
    f"rm {CURRENT}/runsc.toml": "/runsc.toml is missing",
    f"rm {CURRENT}": f"{CURRENT} is missing",
}


IN_CLUSTER = {
    "the label": (("label", "node", WORKER, f"{LABEL}-"), f"the label {LABEL} is gone from the node"),
    "the overhead": (
        ("patch", "runtimeclass", CLASS, "--type=merge", "-p", '{"overhead": null}'),
        f"RuntimeClass {CLASS} has another overhead",
    ),
}


@pytest.mark.parametrize("what", IN_CLUSTER)
def test_status_says_what_the_cluster_has_no_more(worker: Machine, kubectl: Kubectl, what: str) -> None:
    installed(WORKER)
    breaking, said = IN_CLUSTER[what]
    kubectl(*breaking)
    ended = nodeprov("status", WORKER)
    assert ended.returncode == 3
    assert f"  cluster: {said}" in ended.stdout
    assert "as installed: disk, containerd\n" in ended.stdout
    assert nodeprov("install", WORKER, "--yes").returncode == 0
    assert "as installed: disk, containerd, cluster\n" in nodeprov("status", WORKER).stdout


def test_status_that_is_watched_shows_what_changes_and_ends_by_a_signal(worker: Machine) -> None:
    installed(WORKER)
    with started("status", WORKER, "--watch", "1") as watching:
        lines = iter(watching.process.stdout or ())
        assert any("as installed: disk, containerd, cluster" in line for line in lines)
        worker.run(f"chmod 600 $(readlink -f {CURRENT}/runsc)")
        assert any("has the mode 0600, not 0755" in line for line in lines)
        watching.process.send_signal(signal.SIGINT)
        ended = watching.end()
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("breaking", DAMAGE)
def test_status_says_what_is_not_as_it_was_installed(worker: Machine, breaking: str) -> None:
    installed(WORKER)
    good = nodeprov("status", WORKER)
    assert (good.returncode, "is installed; containerd serves" in good.stdout) == (0, True), good.stdout
    worker.run(breaking)
    ended = nodeprov("status", WORKER)
    assert ended.returncode == 3
    assert " is installed" not in ended.stdout
    assert DAMAGE[breaking] in ended.stdout
    assert nodeprov("install", WORKER, "--yes").returncode == 0
    assert nodeprov("status", WORKER).returncode == 0


def test_status_hashes_what_looks_as_it_did_only_if_it_is_asked_to(
    worker: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(WORKER)
    monkeypatch.setenv("NODEPROV_CACHE", str(tmp_path))
    assert nodeprov("status", WORKER).returncode == 0
    (notes,) = (tmp_path / "digests").iterdir()
    value = json.loads(notes.read_text())
    value["trees"][0][1]["entries"][0][2] = "0" * 64  # as if the node kept other bytes with all their times
    notes.write_text(json.dumps(value))
    ended = nodeprov("status", WORKER)
    assert (ended.returncode, "is not the file that was installed" in ended.stdout) == (3, True), ended.stdout
    assert nodeprov("status", WORKER, "--deep").returncode == 0
    assert nodeprov("status", WORKER).returncode == 0


@pytest.fixture
def stopped(other: Machine) -> Iterator[Machine]:
    """A node whose containerd does not run."""
    other.run("systemctl stop containerd")
    yield other
    other.run("systemctl start containerd")
    other.settled()


def test_a_node_without_containerd_is_an_error_in_every_output_of_verify(
    worker: Machine, stopped: Machine, tmp_path: Path
) -> None:
    installed(WORKER)
    path = tmp_path / "verify.xml"
    ended = nodeprov("verify", "worker*", "--junit", str(path))
    assert ended.returncode == 1
    assert f"{OTHER}: containerd does not run" in ended.stderr
    assert "The node can be looked at" in ended.stdout
    suites = {suite.get("name"): suite for suite in ElementTree.parse(path).getroot()}
    assert {name: suite.get("errors") for name, suite in suites.items()} == {WORKER: "0", OTHER: "1"}
    assert "containerd does not run" in str(next(suites[OTHER].iter("error")).get("message"))
    value = json.loads(nodeprov("verify", "worker*", "--json").stdout)
    assert [each["where"] for each in value["errors"]] == [OTHER]


def test_an_error_of_verify_names_the_node_and_the_file(worker: Machine) -> None:
    installed(WORKER)
    worker.run(f"printf '[broken\\n' >> {CONFIG}")
    (error,) = json.loads(nodeprov("verify", WORKER, "--json").stdout)["errors"]
    assert error["where"] == f"{WORKER}: {CONFIG}"
    assert "not valid TOML" in error["message"]


def test_apply_names_what_differs_and_no_diff_shows(worker: Machine, tmp_path: Path) -> None:
    path = tmp_path / "node.plan"
    assert nodeprov("plan", WORKER, "--out", str(path)).returncode == 3
    mode = worker.run(f"stat -c %a {CONFIG}").strip()
    worker.run(f"chmod 0640 {CONFIG}")
    try:
        ended = run_program([sys.executable, "-m", "nodeprov", "apply", str(path)], timeout_seconds=600)
    finally:
        worker.run(f"chmod {mode} {CONFIG}")
    assert ended.returncode == 1
    assert f"file:{CONFIG}: mode 0{mode}, now 0640" in ended.stderr.decode()


NOBODY = "m-norights"


def test_a_user_who_is_not_root_is_told_that_alone(worker: Machine, tmp_path: Path) -> None:
    worker.run(
        f"useradd -m {NOBODY}; mkdir -p /home/{NOBODY}/.ssh; cp /root/.ssh/authorized_keys /home/{NOBODY}/.ssh/; "
        f"chown -R {NOBODY}: /home/{NOBODY}"
    )
    inventory_of_nobody = variant(tmp_path, ssh__user=f'"{NOBODY}"', ssh__sudo="false", cluster__enabled="false")
    try:
        doctor = json.loads(nodeprov("doctor", WORKER, "--json", inventory=inventory_of_nobody).stdout)
        against = [each["what"] for each in doctor["findings"] if each["severity"] == "against"]
        assert against == ["the commands do not run as root"]
        for command in ("status", "verify", "plan"):
            ended = nodeprov(command, WORKER, inventory=inventory_of_nobody)
            assert ended.returncode == 1
            assert f"{WORKER}: the commands do not run as root" in ended.stderr
            assert "CRI" not in ended.stderr
    finally:
        worker.try_run(f"pkill -9 -u {NOBODY}; userdel -rf {NOBODY}")
