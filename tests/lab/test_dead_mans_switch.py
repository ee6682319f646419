"""Whatever becomes of the controller, the connection or the power, a node serves with what is proven."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import power
from tests.lab.machines import CONFIG, WORKER, Kubectl, Machine, eventually
from tests.lab.running import Started, installed, nodeprov, started
from tests.lab.running import variant as variant_of

pytestmark = pytest.mark.rotates(5, "the dead man's switch")

SWITCH = "/var/lib/nodeprov/switch"
FAILS = f"ExecStartPre=/bin/sh -c '! grep -q runtimes.runsc {CONFIG}'"
HANGS = f"ExecStartPre=/bin/sh -c 'if grep -q runtimes.runsc {CONFIG}; then sleep 30; exit 1; fi'"
CUT = "systemd-run --quiet --no-block sh -c 'pkill -9 -x sshd-session || pkill -9 -f sshd:.*@notty'"


@pytest.fixture
def plain(worker: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    """A node with a plain pod, which must not notice anything; at the end nothing of a switch is left."""
    kubectl.pod("plain", WORKER, sandboxed=False)
    before = kubectl.container("plain")
    yield worker
    worker.serves()
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (before["containerID"], before["restartCount"])
    assert tidy(worker) == ""


def tidy(machine: Machine) -> str:
    """Name what a switch has left: copies, its unit, its sign in /run."""
    return machine.run(
        "ls -d /etc/containerd/.*.nodeprov-* /run/nodeprov-switch /etc/systemd/system/nodeprov-* "
        "/etc/systemd/system/*.wants/nodeprov-* 2>/dev/null; true"
    )


def swapped(machine: Machine, running: Started) -> None:
    """Wait until the node is in the middle: the file is swapped, and nothing is decided."""
    running.wait_for("restarting")
    with eventually(60) as more:
        while machine.try_run(f"grep -q runtimes.runsc {CONFIG}").returncode:
            assert more(), running.seen


def outcome(machine: Machine) -> str:
    """Wait until the node says how it ended."""
    with eventually(200) as more:
        while machine.try_run(f"test -e {SWITCH}/outcome").returncode:
            assert more(), machine.run(f"ls -la {SWITCH}; cat {SWITCH}/why")
    with eventually(30) as more:
        while tidy(machine):
            assert more(), tidy(machine)
    return machine.run(f"cat {SWITCH}/outcome")


class TestNobodyIsThere:
    @pytest.mark.parametrize("how", [FAILS, HANGS], ids=["fails", "hangs"])
    def test_what_does_not_serve_is_taken_back_by_the_node(self, plain: Machine, how: str) -> None:
        before = plain.config()
        plain.drop_in(how)
        with started("install", WORKER, "--yes") as running:
            running.wait_for("restarting")
            with eventually(60) as more:
                while plain.try_run(f"test -e {SWITCH}/began").returncode:
                    assert more()
            running.process.kill()
            running.end()
        assert outcome(plain).startswith("restored\ncontainerd.service does not restart")
        assert plain.config() == before
        plain.serves()
        planned = nodeprov("plan", WORKER)
        assert "after it the node rolled back on its own: containerd.service" in planned.stdout, planned
        plain.run("rm -r /etc/systemd/system/containerd.service.d && systemctl daemon-reload")
        installed(WORKER)

    def test_what_serves_is_kept_and_the_next_run_finishes_the_rest(self, plain: Machine) -> None:
        with started("install", WORKER, "--yes") as running:
            swapped(plain, running)
            running.process.kill()
            running.end()
        assert outcome(plain) == "kept\n"
        pid = plain.pid()
        installed(WORKER)
        assert plain.pid() == pid, "what is proven is not restarted again"
        assert nodeprov("plan", WORKER).returncode == 0

    def test_what_nobody_confirms_is_taken_back_where_that_is_wanted(self, plain: Machine, tmp_path: Path) -> None:
        before = plain.config()
        with started(
            "install", WORKER, "--yes", inventory=variant_of(tmp_path, proof__unconfirmed='"restore"')
        ) as running:
            swapped(plain, running)
            running.process.kill()
            running.end()
        assert outcome(plain).startswith("restored\n")
        assert plain.config() == before
        installed(WORKER, inventory=variant_of(tmp_path, proof__unconfirmed='"restore"'))


class TestTheConnectionIsCut:
    def test_a_run_comes_back_and_reports_what_the_node_has_kept(self, plain: Machine) -> None:
        with started("install", WORKER, "--yes") as running:
            swapped(plain, running)
            plain.try_run(CUT)
            plain.host.close()
            ended = running.end()
        assert ended.returncode == 0, ended.stderr
        assert nodeprov("plan", WORKER).returncode == 0

    def test_a_run_comes_back_and_reports_that_the_node_went_back(self, plain: Machine) -> None:
        before = plain.listing()
        plain.drop_in(HANGS)
        with started("install", WORKER, "--yes") as running:
            swapped(plain, running)
            plain.try_run(CUT)
            plain.host.close()
            ended = running.end()
        assert ended.returncode == 1, ended.stderr
        assert "the node rolled back on its own: containerd.service does not restart" in ended.stderr
        assert "the node is as before" in ended.stderr
        assert plain.listing() == before


def test_a_reboot_before_the_proof_with_a_bad_candidate_and_no_controller(worker: Machine) -> None:
    before = worker.config()
    worker.drop_in(HANGS)
    with started("install", WORKER, "--yes") as running:
        swapped(worker, running)
        running.process.kill()
        running.end()
    worker.run(f"! test -e {SWITCH}/outcome && ! test -L {SWITCH}/decision")
    power.pull(WORKER)
    power.boot(worker)
    assert outcome(worker).startswith("restored while the node rebooted\n")
    assert worker.config() == before
    with eventually(60) as more:
        while worker.try_run("ctr plugins ls").returncode:
            assert more()
    worker.serves()
    assert tidy(worker) == ""
    worker.run("rm -r /etc/systemd/system/containerd.service.d && systemctl daemon-reload")
    installed(WORKER)


def test_a_unit_at_its_start_limit_is_started_again_with_the_old_file(plain: Machine) -> None:
    plain.drop_in(FAILS + "\n[Unit]\nStartLimitIntervalSec=600\nStartLimitBurst=2")
    before = plain.config()
    ended = nodeprov("install", WORKER, "--yes")
    assert ended.returncode == 1, ended.stderr
    assert "rolled back on its own" in ended.stderr
    assert plain.config() == before
    assert plain.run("systemctl is-active containerd") == "active\n"


def test_a_user_with_sudo_hands_over_the_same(plain: Machine, tmp_path: Path) -> None:
    plain.run(
        "id m-switch 2>/dev/null || useradd -m m-switch; mkdir -p ~m-switch/.ssh\n"
        "cp ~/.ssh/authorized_keys ~m-switch/.ssh/\n"
        "chown -R m-switch ~m-switch/.ssh; echo 'm-switch ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/m-switch"
    )
    before = plain.config()
    try:
        inventory = variant_of(tmp_path, ssh__user='"m-switch"', cluster__enabled="false")
        plain.drop_in(FAILS)
        ended = nodeprov("install", WORKER, "--yes", inventory=inventory)
        assert ended.returncode == 1, ended.stderr
        assert "rolled back on its own" in ended.stderr
        assert plain.config() == before
        plain.run("rm -r /etc/systemd/system/containerd.service.d && systemctl daemon-reload")
        installed(WORKER, inventory=inventory)
    finally:
        plain.run("rm -f /etc/sudoers.d/m-switch; pkill -u m-switch; userdel -rf m-switch 2>/dev/null; true")


def test_a_suspended_controller_loses_the_node_and_changes_nothing_any_more(worker: Machine) -> None:
    with started("install", WORKER, "--yes") as running:
        running.wait_for("uploading")
        running.process.send_signal(signal.SIGSTOP)
        first = nodeprov("install", WORKER, "--yes")
        assert "another run holds this node: " in first.stderr, first.stderr
        with eventually(120) as more:
            while (second := nodeprov("install", WORKER, "--yes")).returncode:
                assert "another run holds this node: " in second.stderr, second.stderr
                assert more()
        before = worker.listing()
        running.process.send_signal(signal.SIGCONT)
        ended = running.end()
    assert ended.returncode == 4, ended.stderr
    assert "another one has taken the node over" in ended.stderr
    assert worker.listing() == before
    assert nodeprov("plan", WORKER).returncode == 0
