"""From a wheel to a pod in gVisor, without a checkout."""

from __future__ import annotations

import pytest

from tests.lab.machines import CLASS, NAMESPACE, WORKER, Kubectl, Machine
from tests.lab.running import INVENTORY
from tests.support.sampling import by_turns
from tests.support.wheel import CHECKOUT, Installed, release

pytestmark = by_turns

POD = f"""
apiVersion: v1
kind: Pod
metadata:
  name: from-a-wheel
  namespace: {NAMESPACE}
spec:
  runtimeClassName: {CLASS}
  restartPolicy: Never
  containers:
  - name: dmesg
    image: docker.io/library/busybox:lab
    command: [dmesg]
"""


@pytest.fixture(scope="module")
def nodeprov(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    release(CHECKOUT, folder / "dist")
    (wheel,) = (folder / "dist").glob("*.whl")
    return Installed(wheel, folder / "environment")


def test_a_wheel_brings_a_lab_and_a_pod_in_a_sandbox(
    worker: Machine, kubectl: Kubectl, nodeprov: Installed
) -> None:
    up = nodeprov("lab", "up", timeout_seconds=600)  # it finds the one of the tests
    assert up.returncode == 0, up.said
    done = nodeprov("install", WORKER, "--yes", "--inventory", str(INVENTORY), timeout_seconds=600)
    assert done.returncode == 0, done.said
    try:
        kubectl("apply", "-f", "-", stdin=POD)
        kubectl(
            "wait",
            "pod/from-a-wheel",
            f"-n={NAMESPACE}",
            "--for=jsonpath={.status.phase}=Succeeded",
            "--timeout=60s",
        )
        assert "Starting gVisor" in kubectl("logs", "from-a-wheel", f"-n={NAMESPACE}")
    finally:
        kubectl("delete", "pod", "from-a-wheel", f"-n={NAMESPACE}", "--ignore-not-found", "--wait=false")
    undone = nodeprov("uninstall", WORKER, "--yes", "--inventory", str(INVENTORY), timeout_seconds=600)
    assert undone.returncode == 0, undone.said
