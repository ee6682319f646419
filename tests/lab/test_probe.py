"""`nodeprov probe` on a real node: it finds what the catalogue says, and what cures, and leaves nothing."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab.machines import CHECKOUT, NEW, OLD, WORKER, Kubectl, Machine, eventually
from tests.lab.running import Ended, installed, nodeprov, started
from tests.lab.trials import inventory_of_a_prober
from tests.support.sampling import by_turns

NOT_HERE = {"host-users"}
"""What the lab's runc is too old for: the pod without the sandbox does not start either."""
CURES = {"net-raw": "true", "overlay2": "none", "allow-suid": "true", "oci-seccomp": "true", "host-uds": "open"}
CURED = {"service-mesh-init", "raw-sockets", "disk-space", "fsync", "setuid", "seccomp", "host-path-socket"}


@pytest.fixture
def inventory(kubectl: Kubectl, tmp_path: Path) -> Path:
    """The lab's inventory, with a user who may do what `nodeprov rbac --probe` prints, and no more."""
    return inventory_of_a_prober(kubectl, tmp_path)


def results(ended: Ended) -> dict[str, str]:
    """Read what was found of each behaviour."""
    (node,) = json.loads(ended.stdout)["nodes"]
    return {each["id"]: each["result"] for each in node["findings"]}


def named(found: Mapping[str, str], *some: str) -> set[str]:
    return {name for name, result in found.items() if result in some}


def left(worker: Machine, kubectl: Kubectl) -> str:
    """Say what is there that a probe makes."""
    on_node = worker.run("ls -d /run/nodeprov-probe-* /dev/shm/nodeprov-probe-* 2>/dev/null; true")
    images = [each for each in worker.run("ctr -n k8s.io images ls -q").split() if "nodeprov-proof" in each]
    return "".join(
        [
            on_node,
            *images,
            kubectl("get", "namespaces", "-l", f"nodeprov.io/made-for=probe.{WORKER}", "-o", "name"),
        ]
    )


@by_turns
@pytest.mark.parametrize("release", [OLD, NEW])
def test_what_the_catalogue_says_of_a_release_is_found(
    worker: Machine, kubectl: Kubectl, inventory: Path, release: str
) -> None:
    installed(WORKER, "--set", f"release.version={release}")
    worker.run("systemctl restart kubelet")  # which has no numbers of anything then, as after the node's boot
    ended = nodeprov("probe", WORKER, "--json", inventory=inventory)
    found = results(ended)
    assert (ended.returncode, named(found, "new", "gone", "failed")) == (0, set()), ended.stdout
    assert named(found, "not told") == NOT_HERE
    assert len(named(found, "differs")) >= 45
    assert left(worker, kubectl) == ""


@by_turns
def test_a_flag_that_cures_makes_a_behaviour_go(worker: Machine, inventory: Path) -> None:
    flags = [word for name, value in CURES.items() for word in ("--set", f"runtime.flags.{name}={value}")]
    installed(WORKER, *flags)
    ended = nodeprov("probe", WORKER, "--json", inventory=inventory)
    found = results(ended)
    assert named(found, "same") >= CURED, found
    assert (ended.returncode, named(found, "new", "gone", "failed")) == (0, set()), ended.stdout


@by_turns
def test_a_broken_probe_tells_nothing_and_an_interruption_leaves_nothing(
    worker: Machine, kubectl: Kubectl, inventory: Path, tmp_path: Path
) -> None:
    installed(WORKER)
    folder = tmp_path / "broken"
    for each in ("nodeprov", "templates"):
        shutil.copytree(CHECKOUT / each, folder / each)
    catalogue = folder / "nodeprov" / "workloads" / "behaviours.toml"
    text = catalogue.read_text()
    for whole, broken in {
        'ask = "space /"': 'ask = "exists /"',
        'ask = "lease /lease"': 'ask = "release /lease"',
        'sandbox = "EISDIR|EOPNOTSUPP"': 'sandbox = "EISDIRECTORY"',
        'ask = "fanotify"\nrunc = "ok"\nsandbox = "ENOSYS"': 'ask = "alive"\nrunc = "yes"\nsandbox = "no"',
    }.items():
        assert whole in text
        text = text.replace(whole, broken)
    catalogue.write_text(text)
    ended = nodeprov("probe", WORKER, "--json", inventory=inventory, folder=folder)
    found = results(ended)
    assert ended.returncode == 1
    broken_ones = ("disk-space", "file-leases", "o-tmpfile", "fanotify")
    assert [found[name] for name in broken_ones] == ["not told", "failed", "new", "gone"]

    with started("probe", WORKER, inventory=inventory) as running:
        with eventually(60) as more:
            while "Running" not in kubectl("get", "pods", "-A", "--field-selector", f"spec.nodeName={WORKER}"):
                assert more()
        running.process.send_signal(signal.SIGINT)
        interrupted = running.end()
    assert interrupted.returncode == 1
    assert "Traceback" not in interrupted.stderr
    assert left(worker, kubectl) == ""


def test_a_node_on_which_nothing_is_installed_is_not_probed(worker: Machine, kubectl: Kubectl) -> None:
    ended = nodeprov("probe", WORKER)
    assert ended.returncode == 1
    assert f"hint: nodeprov install {WORKER}" in ended.stderr
    assert left(worker, kubectl) == ""
