"""A rollout over both workers: at the same time, canaries, stops, a window, what is staged, and who is hit."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import say_at_the_end
from tests.lab.machines import IMAGE, LABEL, OTHER, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov, started, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

BOTH = (WORKER, OTHER)
WAVE = ("--max-unavailable", "2")
STORM = f"""
apiVersion: batch/v1
kind: Job
metadata:
  name: storm
spec:
  completions: 400
  parallelism: 6
  template:
    spec:
      nodeName: {WORKER}
      restartPolicy: Never
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      initContainers:
        - name: first
          image: {IMAGE}
          imagePullPolicy: Never
          command: [sh, -c, "sleep 0.5"]
      containers:
        - name: short
          image: {IMAGE}
          imagePullPolicy: Never
          command: [sh, -c, "sleep 0.3"]
"""


class TestWaves:
    def test_two_nodes_at_the_same_time_share_one_runtime_class_and_leave_it_together(
        self, worker: Machine, other: Machine, kubectl: Kubectl
    ) -> None:
        before = [machine.config() for machine in (worker, other)]
        ended = installed(*BOTH, *WAVE, "--json")
        outcomes = json.loads(ended.stdout)["outcomes"]
        assert [(each["node"], each["exit_code"]) for each in outcomes] == [(name, 0) for name in sorted(BOTH)]
        assert len(kubectl.classes()) == 1
        began = [ended.stderr.index(f"{name}: ") for name in BOTH]
        done = min(ended.stderr.index(f"{name}: done in") for name in BOTH)
        assert max(began) < done, "they were changed one after the other"
        assert nodeprov("plan", *BOTH).returncode == 0
        taken = nodeprov("uninstall", *BOTH, *WAVE, "--yes")
        assert taken.returncode == 0, taken.stderr
        assert kubectl.classes() == []
        assert [machine.config() for machine in (worker, other)] == before

    def test_a_canary_that_fails_leaves_the_other_untouched(
        self, worker: Machine, other: Machine, kubectl: Kubectl
    ) -> None:
        first, second = sorted(BOTH)
        machines = {WORKER: worker, OTHER: other}
        untouched = machines[second].listing()
        choose = "grep -q runtimes.runsc /etc/containerd/config.toml && exec false; exec containerd"
        machines[first].drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{choose}'")
        ended = nodeprov("install", *BOTH, "--canary", "1", "--yes", "--json")
        assert ended.returncode == 1, ended.stdout
        value = json.loads(ended.stdout)
        assert [each["node"] for each in value["outcomes"]] == [first]
        assert value["untouched"] == [{"node": second, "why": f"{first} failed"}]
        assert machines[second].listing() == untouched
        assert kubectl.classes() == []

    def test_a_canary_is_tested_again_after_its_soak_time(self, worker: Machine, other: Machine) -> None:
        first, second = sorted(BOTH)
        with started("install", *BOTH, "--canary", "1", "--soak", "20", "--yes") as running:
            running.wait_for(f"{first}: done in")
            {WORKER: worker, OTHER: other}[first].run("chmod -x /opt/nodeprov/releases/*/runsc")
            ended = running.end()
        assert ended.returncode == 1
        assert f"not begun, because {first} failed: {second}" in ended.stderr

    def test_the_first_signal_finishes_the_node_and_the_second_takes_it_back(
        self, worker: Machine, other: Machine
    ) -> None:
        first, second = sorted(BOTH)
        machines = {WORKER: worker, OTHER: other}
        before = {name: machine.listing() for name, machine in machines.items()}
        with started("install", *BOTH, "--yes") as running:
            running.wait_for("done: link /opt/nodeprov/handlers")
            running.process.send_signal(signal.SIGINT)
            running.wait_for(f"interrupted: {first} will be finished")
            running.process.send_signal(signal.SIGINT)
            ended = running.end()
        assert ended.returncode == 1
        assert "taking the changes back" in ended.stderr
        assert {name: machine.listing() for name, machine in machines.items()} == before
        with started("install", *BOTH, "--yes") as running:
            running.wait_for("restarting")
            running.process.send_signal(signal.SIGTERM)
            ended = running.end()
        assert ended.returncode == 1
        assert f"{first}: install done" in ended.stdout
        assert f"not begun, because it was interrupted: {second}" in ended.stderr
        assert machines[second].listing() == before[second]
        installed(*BOTH)

    def test_a_controller_that_is_killed_in_a_wave_is_followed_by_the_same_command(
        self, worker: Machine, other: Machine, kubectl: Kubectl
    ) -> None:
        with started("install", *BOTH, *WAVE, "--yes") as running:
            running.wait_for("restarting")
            running.process.kill()
            running.end()
        for machine in (worker, other):
            machine.settled()
        installed(*BOTH, *WAVE)
        assert nodeprov("plan", *BOTH).returncode == 0
        assert len(kubectl.classes()) == 1


class TestWindow:
    def spans(self) -> tuple[str, str]:
        """A window that is open for the next minute or two, and one that is not."""
        now = time.time()
        clock = [time.strftime("%H:%M", time.gmtime(now + minutes * 60)) for minutes in (-1, 2, 60, 90)]
        return f"{clock[0]}-{clock[1]}", f"{clock[2]}-{clock[3]}"

    def test_outside_of_it_nothing_is_changed(self, untouched: Machine) -> None:
        ended = nodeprov("install", WORKER, "--window", self.spans()[1], "--yes")
        assert ended.returncode == 1
        assert "is closed; nothing was changed" in ended.stderr
        assert "hint: run this again when it opens, at " in ended.stderr

    def test_a_node_that_would_not_be_done_is_left_for_another_window(self, untouched: Machine) -> None:
        """Of a node that has never been installed nothing is known: it is given five minutes."""
        window = self.spans()[0]
        ended = nodeprov("install", WORKER, "--window", window, "--yes")
        assert ended.returncode == 3, ended.stderr
        assert "0 of 1 node fit" in ended.stderr
        assert f"not begun, because it would not be done before the window {window} UTC closes" in ended.stderr


def test_what_is_staged_needs_no_window_and_leaves_little(worker: Machine, kubectl: Kubectl) -> None:
    config, process = worker.config(), worker.pid
    staged = installed(WORKER, "--stage", "--window", TestWindow().spans()[1])
    assert f"{WORKER}: stage done, 4 changes" in staged.stdout
    assert (worker.config(), worker.pid) == (config, process)
    assert "nothing is installed" in nodeprov("status", WORKER).stdout
    left = nodeprov("plan", WORKER)
    assert "to upload" not in left.stdout
    assert "containerd restarts" in left.stdout
    installed(WORKER)
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    assert worker.try_run("ls -d /opt/nodeprov").returncode
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]


def test_hooks_go_before_and_after_each_node(worker: Machine, tmp_path: Path) -> None:
    said = tmp_path / "said"
    tell = f"'echo $NODEPROV_NODE $NODEPROV_ACTION $NODEPROV_RESULT >> {said}'"
    inventory = variant(tmp_path, rollout__before=tell, rollout__after=tell)
    installed(WORKER, inventory=inventory)
    assert said.read_text() == f"{WORKER} install\n{WORKER} install done\n"


@pytest.mark.timeout(900)
def test_a_restart_under_a_storm_of_short_pods_hits_nobody_or_names_them(
    worker: Machine, kubectl: Kubectl
) -> None:
    """As a law: whoever has the reason Unknown, or hangs, is named in the result; init containers too."""
    kubectl("apply", "-f", "-", stdin=STORM)
    with eventually(120) as more:
        while not kubectl.json("get", "job", "storm")["status"].get("succeeded") and more():
            pass
    said = ""
    for _ in range(3):
        said += installed(WORKER).stdout
        said += nodeprov("uninstall", WORKER, "--yes").stdout
    hanging = {pod["metadata"]["name"] for pod in storm(kubectl) if pod["status"]["phase"] == "Pending"}
    with eventually(60) as more:
        while hanging and more():
            hanging &= {pod["metadata"]["name"] for pod in storm(kubectl) if pod["status"]["phase"] == "Pending"}
    hit = {pod["metadata"]["name"] for pod in storm(kubectl) if cut_off(pod)}
    say_at_the_end("restarts under a storm", [f"6 restarts, {len(hit)} cut off, {len(hanging)} hang, all named"])
    assert [name for name in (*hit, *hanging) if name not in said] == []
    kubectl("delete", "job", "storm", "--wait=false")


def storm(kubectl: Kubectl) -> list[Any]:
    return list(kubectl.json("get", "pods", "-l", "job-name=storm")["items"])


def cut_off(pod: Any) -> bool:
    """Tell whether a container of a pod ended while nobody saw it, init or not, also if it was started again."""
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    ends = [status.get(when, {}).get("terminated") or {} for status in statuses for when in ("state", "lastState")]
    return any(end.get("exitCode") == 255 for end in ends)
