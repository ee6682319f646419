"""What an earlier nodeprov has left on a node, and on an operator's disk, is read by this one.

The earlier one comes out of git, and runs with the libraries of today. Where git has no history,
tests/unit/test_earlier_nodeprov.py still reads what it has once written.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.kubernetes import images
from tests.lab.machines import CHECKOUT, CURRENT, LABEL, NEW, OLD, WORKER, Kubectl, Machine
from tests.lab.running import INVENTORY, Ended, installed, nodeprov, started, variant
from tests.support.sampling import by_turns

EARLIER = "6a4ae8ead0a9bd63069b40d06baf0ebd74dd700a"
"""The last commit before nodeprov's modules were put into packages."""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the earlier nodeprov lies."""
    archive = run_program(["git", "-C", str(CHECKOUT), "archive", EARLIER, "nodeprov", "templates"])
    if archive.returncode != 0:
        pytest.skip(f"git has no history here: {archive.said}")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    # What Go builds is in no commit; its source was the same.
    built = Path(images.__file__).parent / "probe" / "bin"
    shutil.copytree(built, folder / "nodeprov" / "proof" / "probe" / "bin")
    return folder


def applied(path: Path) -> Ended:
    output = run_program([sys.executable, "-m", "nodeprov", "apply", str(path)], timeout_seconds=600)
    return Ended(output.returncode, output.stdout.decode(), output.stderr.decode())


def test_an_installation_of_an_earlier_nodeprov_is_gone_on_with(
    worker: Machine, kubectl: Kubectl, earlier: Path, tmp_path: Path
) -> None:
    pristine, listing = worker.config(), worker.listing()
    old, saved = variant(tmp_path, release__version=f'"{OLD}"'), tmp_path / "install.plan"
    assert nodeprov("plan", WORKER, "--out", str(saved), inventory=old, folder=earlier).returncode == 3
    installed(WORKER, inventory=old, folder=earlier)
    kubectl.pod("theirs", WORKER, sandboxed=True)
    pid = worker.pid()

    planned = nodeprov("plan", WORKER, inventory=old)
    assert (planned.returncode, "nothing to do" in planned.stdout) == (0, True), planned.stdout
    status = nodeprov("status", WORKER, "--json", inventory=old)
    (stands,) = json.loads(status.stdout)["nodes"]
    assert (status.returncode, stands["containerd"], stands["settled"]) == (0, "serves", True)
    assert (stands["last"]["number"], stands["last"]["state"]) == (1, "done")
    assert stands["release"].startswith(f"{OLD}-")
    verified = nodeprov("verify", WORKER, inventory=old)
    assert verified.returncode == 0, verified.stdout
    again = applied(saved)
    assert (again.returncode, "already as this plan wants it" in again.stderr) == (0, True), again.stderr

    upgraded = installed(WORKER)
    assert "no restart" in upgraded.stdout
    assert NEW in worker.run(f"{CURRENT}/runsc --version")
    assert worker.pid() == pid
    assert "Starting gVisor" in kubectl("exec", "theirs", "--", "dmesg")

    kubectl("delete", "pod", "theirs", "--grace-period=1")
    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert worker.config() == pristine
    assert worker.listing() == listing
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert not kubectl.classes()


@by_turns
def test_plans_that_an_earlier_nodeprov_has_saved_are_carried_out(
    worker: Machine, kubectl: Kubectl, earlier: Path, tmp_path: Path
) -> None:
    pristine, listing = worker.config(), worker.listing()
    saved = tmp_path / "saved.plan"
    for action, so in (("install", ()), ("uninstall", ("--uninstall",))):
        assert nodeprov("plan", WORKER, *so, "--out", str(saved), folder=earlier).returncode == 3
        ended = applied(saved)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert f"{WORKER}: {action} done" in ended.stdout
    assert worker.config() == pristine
    assert worker.listing() == listing
    assert not kubectl.classes()


@by_turns
def test_a_run_of_an_earlier_nodeprov_that_was_killed_is_finished(
    worker: Machine, kubectl: Kubectl, earlier: Path, tmp_path: Path
) -> None:
    pristine, listing = worker.config(), worker.listing()
    with started("install", WORKER, "--yes", inventory=INVENTORY, folder=earlier) as running:
        running.wait_for("restarting containerd")
        running.process.kill()
        running.end()
    worker.settled()
    assert nodeprov("status", WORKER).returncode == 3
    finished = installed(WORKER)
    assert "an earlier install by " in finished.stdout
    assert "did not end; this run finishes what it left" in finished.stdout
    assert nodeprov("verify", WORKER).returncode == 0
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    assert worker.config() == pristine
    assert worker.listing() == listing
    assert not kubectl.classes()
