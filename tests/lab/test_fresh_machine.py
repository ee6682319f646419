"""From a machine with Python alone to a pod in gVisor: what is typed is in README, or in a hint.

It takes four minutes: a wheel and its dependencies by pipx, Debian's packages, two programs of the lab by Debian's
Go, the lab, and a node. The other programs are this machine's, or it would take half an hour.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.fresh_machine import fresh_machine
from tests.support.sampling import by_turns
from tests.support.wheel import CHECKOUT, release

WITHOUT_NETWORK = len(Path("/proc/self/net/route").read_text().splitlines()) < 2
pytestmark = [
    by_turns,
    pytest.mark.skipif(WITHOUT_NETWORK, reason="no network: script/test runs it by itself"),
]

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: hello
spec:
  runtimeClassName: gvisor
  restartPolicy: Never
  containers:
  - name: hello
    image: docker.io/library/busybox:lab
    command: [dmesg]
"""
BUILT_THERE = ("containerd-", "etcd-")
"""Programs of the lab that its own Go builds; the others were built by this machine's."""


def test_a_wheel_and_what_its_hints_say_are_enough_for_a_sandbox(tmp_path: Path) -> None:
    (wheel,) = [each for each in release(CHECKOUT, tmp_path / "dist").items() if each[0].endswith(".whl")]
    with fresh_machine(tmp_path / "machine", {f"root/dist/{wheel[0]}": wheel[1]}, without=BUILT_THERE) as machine:
        machine.types("pipx install dist/nodeprov-*.whl", timeout_seconds=600)
        refused = machine.tries("nodeprov lab up")
        assert refused.returncode == 1, refused.said
        hints = re.findall(r"^hint: (apt-get install .*)$", refused.stderr.decode(), re.MULTILINE)
        assert hints, refused.said
        for line in ("apt-get update", *hints):
            machine.types(line, timeout_seconds=600)
        machine.types("nodeprov lab up", timeout_seconds=1800)
        machine.types('nodeprov install worker1 --yes -i "$(nodeprov lab inventory)"', timeout_seconds=600)
        machine.types("nodeprov lab kubectl -- apply -f -", stdin=POD)
        machine.types(
            "nodeprov lab kubectl -- wait pod/hello --for=jsonpath={.status.phase}=Succeeded --timeout=60s"
        )
        assert "Starting gVisor" in machine.types("nodeprov lab kubectl -- logs hello")
        machine.types("nodeprov lab down")
