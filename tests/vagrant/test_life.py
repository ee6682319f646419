"""A node's life in a virtual machine: cgroup v2, systemd's cgroup driver, a user with sudo, a kernel of its own.

The tests are one story and run in this order, on one worker; a test that fails leaves the next ones what it can.
Of its chapters, and of power cuts (test_power.py), CI has one a day.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from tests.lab.breaks import NEED_CGROUP_V2
from tests.support.sampling import is_full
from tests.vagrant.guests import (
    CHECKOUT,
    CURRENT,
    INVENTORY,
    NEW,
    PATIENCE_SECONDS,
    PROVIDER,
    Guest,
    Kubectl,
    chapter,
    done,
    nodeprov,
    on_lab,
    until,
)

POD_BYTES = (128 + 64) << 20  # the proof's pod, and the RuntimeClass's overhead: the limit of the slice
LIMITS_MOVED = """\
while sleep 0.3; do
    for scope in /sys/fs/cgroup/kubepods.slice/{{,*/}}kubepods*-pod*.slice/cri-containerd-*.scope; do
        cd "$scope/.." 2>/dev/null && {{ {on_slice}; }}
        cd "$scope" 2>/dev/null && {{ {on_scope}; }}
    done
done
"""


@pytest.fixture(scope="module")
def before(worker: Guest) -> str:
    """All that nodeprov may touch, as it was before the first test."""
    return worker.listing()


@pytest.fixture(scope="module")
def plain(kubectl: Kubectl, worker: Guest) -> Iterator[tuple[str, int]]:
    """A pod of runc's, which must not notice anything."""
    kubectl.pod("plain", worker.name, sandboxed=False)
    yield kubectl.container("plain")
    kubectl("delete", "pod", "plain", "--wait=false")


def findings(inventory: Path = INVENTORY) -> dict[str, dict[str, str]]:
    verified = on_lab("verify", "worker1", "--json", inventory=inventory)
    return {each["check"]: each for each in json.loads(verified.text)["findings"]}


def failed(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: each["said"] for name, each in found.items() if each["result"] != "passed"}


def test_the_inventory_is_the_same_after_a_vagrant_up_by_hand(worker: Guest) -> None:
    written = INVENTORY.read_text()
    assert 'user = "vagrant"' in written
    done(run_program(["vagrant", "up"], folder=CHECKOUT, timeout_seconds=PATIENCE_SECONDS))
    INVENTORY.unlink()
    done(nodeprov("lab", "inventory", *PROVIDER))
    assert INVENTORY.read_text() == written
    assert worker.run("id -u").strip() == "0", "by sudo"


def test_an_install_derives_the_cgroup_driver_and_a_second_one_changes_nothing(
    worker: Guest, before: str, plain: tuple[str, int], older: Path, kubectl: Kubectl
) -> None:
    assert before
    said = done(on_lab("install", worker.name, "--yes", inventory=older))
    assert "install done" in said
    assert 'systemd-cgroup = "true"' in worker.run(f"cat {CURRENT}/runsc.toml")
    assert "gvisor_sentry" not in worker.run("find /opt/nodeprov/releases")
    pid = worker.containerd()
    assert "nothing to do" in done(on_lab("install", worker.name, "--yes", inventory=older))
    assert worker.containerd() == pid
    assert kubectl.container("plain") == plain


def test_every_check_of_verify_passes_and_none_is_left_out(older: Path) -> None:
    found = findings(older)
    assert failed(found) == {}
    assert {*NEED_CGROUP_V2} < {*found}


@chapter
@pytest.mark.parametrize(
    ("on_slice", "on_scope", "caught"),
    [
        ("echo max > memory.max", f"echo {POD_BYTES} > memory.max", ["pod_slice"]),
        # Of whose limit it was the kernel tells in its log alone, which somebody clears.
        ("echo max > cpu.max", "echo 20000 100000 > cpu.max; dmesg -C", ["pod_slice_throttled", "pod_slice_kill"]),
    ],
)
def test_limits_that_are_not_seen_to_be_the_pods_own_are_told(
    worker: Guest, older: Path, on_slice: str, on_scope: str, caught: list[str]
) -> None:
    loop = LIMITS_MOVED.format(on_slice=on_slice, on_scope=on_scope)
    worker.run(f"systemd-run --quiet --unit=limits bash -c {shlex.quote(loop)}")
    try:
        found = findings(older)
    finally:
        worker.run("systemctl stop limits")
    assert [name for name, each in found.items() if each["result"] == "failed"] == caught


@chapter
def test_without_the_driver_a_pod_is_ready_and_has_no_limit_and_verify_says_so(
    worker: Guest, kubectl: Kubectl, older: Path
) -> None:
    """The releases of September 2026 see by the path that systemd's driver is meant; those before do not."""
    toml = f"{CURRENT}/runsc.toml"
    kept = worker.run(f"cat {toml}")
    worker.run(f"sed -i 's/^systemd-cgroup = .*/systemd-cgroup = \"false\"/' {toml}")
    kubectl.pod("unlimited", worker.name, sandboxed=True)
    wrong = failed(findings(older))
    assert "is not as it was installed" in wrong["runsc_toml"]
    assert "have no limit" in wrong["pod_memory_limit"]
    assert "systemd-cgroup" in wrong["pod_memory_limit"]
    kubectl("delete", "pod", "unlimited")
    done(on_lab("install", worker.name, "--yes", inventory=older))
    assert worker.run(f"cat {toml}") == kept


@chapter
def test_after_a_reboot_everything_comes_back(worker: Guest, kubectl: Kubectl, older: Path) -> None:
    kubectl.pod("sandboxed", worker.name, sandboxed=True)
    worker.reboot()
    until(worker.serves)
    until(lambda: kubectl.is_ready(worker.name))
    until(lambda: "gVisor" in kubectl("exec", "sandboxed", "--", "dmesg"))
    assert failed(findings(older)) == {}
    assert "nothing to do" in done(on_lab("install", worker.name, "--yes", inventory=older))
    kubectl("delete", "pod", "sandboxed")


@chapter
def test_sandboxes_outlive_a_restart_of_containerd_and_an_upgrade_which_is_a_rename(
    worker: Guest, kubectl: Kubectl
) -> None:
    for name in ("plain", "sandboxed"):
        kubectl.pod(name, worker.name, sandboxed=name == "sandboxed")
    running = {name: kubectl.container(name) for name in ("plain", "sandboxed")}
    before = worker.containerd()
    worker.run("systemctl restart containerd")
    until(worker.serves)
    pid = worker.containerd()
    assert pid != before
    assert {name: kubectl.container(name) for name in running} == running
    assert kubectl("exec", "sandboxed", "--", "echo", "alive").strip() == "alive"

    assert "install done" in done(on_lab("install", worker.name, "--yes"))
    assert worker.containerd() == pid, "no restart"
    assert "gvisor_sentry" in worker.run("find /opt/nodeprov/releases")
    assert "gVisor" in kubectl("exec", "sandboxed", "--", "dmesg")
    kubectl.pod("newer", worker.name, sandboxed=True)
    assert NEW in worker.run("readlink /proc/[0-9]*/exe | sort -u | grep /opt/nodeprov/")
    assert {name: kubectl.container(name) for name in running} == running
    assert 'systemd-cgroup = "true"' in worker.run(f"cat {CURRENT}/runsc.toml")
    assert failed(findings()) == {}
    assert "nothing to do" in done(on_lab("install", worker.name, "--yes"))
    kubectl("delete", "pod", "newer", "sandboxed")


def test_a_probe_answers_with_cgroup_v2_as_is_recorded(worker: Guest, pytestconfig: pytest.Config) -> None:
    if not is_full(pytestconfig):
        pytest.skip("a probe of an emulated machine takes a quarter of an hour: --profile=full")
    done(on_lab("install", worker.name, "--yes"))
    assert "install" in done(on_lab("install", worker.name, "--yes"))
    output = on_lab("probe", worker.name, "--json")
    [probed] = json.loads(output.text)["nodes"]
    odd = {each["id"]: each for each in probed["findings"] if each["result"] in ("new", "gone", "failed")}
    assert odd == {}
    assert (probed["cgroup_version"], output.returncode) == (2, 0)


def test_an_uninstall_gives_back_the_bytes(worker: Guest, before: str) -> None:
    # A pod is gone from the API before kubelet has removed its sandbox from the node, by seconds when emulated.
    until(lambda: not worker.run("ctr -n k8s.io containers ls | grep runsc || true"))
    done(on_lab("uninstall", worker.name, "--yes"))
    assert worker.listing() == before
    until(worker.serves)
