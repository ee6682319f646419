"""Verify catches: every check has something that it alone sees, on real nodes; and nothing of its own stays."""

from __future__ import annotations

import ast
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nodeprov.diagnosis.verify import checks
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.conftest import say_at_the_end
from tests.lab.breaks import BREAKS, NEED_CGROUP_V2, PROOFS, Break, until
from tests.lab.machines import NEW, OLD, OTHER, WORKER, Kubectl, Machine, scrub
from tests.lab.running import installed, nodeprov, started, variant


def all_checks() -> list[str]:
    """Name the checks that verify makes, by its source."""
    folder = Path(checks.__file__).parent
    trees = [ast.parse(path.read_text()) for path in sorted(folder.glob("check_*.py"))]
    shown = GVISOR.inspection.check_names
    return [
        shown.get(each.name.removeprefix("check_"), each.name.removeprefix("check_"))
        for tree in trees
        for each in tree.body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("check_")
    ]


@pytest.fixture(scope="module")
def cleaned_at_the_end(kubectl: Kubectl, pristine_configs: dict[str, bytes]) -> Iterator[None]:
    """These tests leave nodes installed, and the last one scrubs this process's."""
    yield
    scrub(Machine(WORKER), kubectl, pristine_configs[WORKER])


@pytest.fixture
def sound(cleaned_at_the_end: None, tmp_path: Path) -> Machine:
    """A node on which first an older release was installed and then the newer one."""
    machine = Machine(WORKER)
    if b"current" not in machine.try_run("ls /opt/nodeprov/handlers/runsc").stdout:
        installed(WORKER, inventory=variant(tmp_path, release__version=f'"{OLD}"'))
        installed(WORKER, inventory=variant(tmp_path, release__version=f'"{NEW}"'))
    return machine


CASES = [pytest.param(broken, id=f"{broken.check}: {broken.how}") for broken in BREAKS]


@pytest.mark.rotates(8)
@pytest.mark.parametrize("broken", CASES)
def test_one_check_and_no_other_sees_what_is_broken_and_says_the_way_out(
    broken: Break, sound: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    inventory = variant(tmp_path, **broken.settings)
    if broken.settings:
        installed(WORKER, inventory=inventory)
    broken.act(sound, kubectl)
    try:
        ended = nodeprov("verify", WORKER, "--json", inventory=inventory)
    finally:
        broken.undo(sound, kubectl)
        mended = installed(WORKER)  # it prints its plan first
    findings = {each["check"]: each for each in json.loads(ended.stdout)["findings"]}
    failed = {name: finding["said"] for name, finding in findings.items() if finding["result"] == "failed"}
    assert [*failed] == [broken.check], failed
    assert ended.returncode == 1
    assert broken.said in failed[broken.check]
    assert "\nhint: " in failed[broken.check]
    assert broken.planned in mended.stdout
    if broken.planned:
        assert nodeprov("plan", WORKER).returncode == 0, "install has mended it"


def test_every_check_has_something_that_it_catches() -> None:
    """The table is whole: what a row proves is the test above, of which every row is run in six days."""
    known = [name for name in all_checks() if name not in NEED_CGROUP_V2]
    broken = {each.check for each in BREAKS}
    rows = [f"{'caught' if name in broken else 'MISSED':8}{name}" for name in known]
    total = f"{len(broken & {*known})} of {len(known)} caught, by {len(BREAKS)} breaks"
    say_at_the_end("what verify catches", [*rows, total])
    assert broken == {*known}


def test_two_nodes_are_verified_at_the_same_time_and_an_interruption_leaves_nothing(
    worker: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    installed(WORKER, OTHER)
    junit = tmp_path / "verify.xml"
    ended = nodeprov("verify", WORKER, OTHER, "--junit", str(junit))
    assert ended.returncode == 0, ended.stdout
    assert "failed" not in ended.stdout
    suites = {suite.get("name"): suite for suite in ElementTree.parse(junit).getroot()}
    assert set(suites) == {WORKER, OTHER}
    for suite in suites.values():
        assert (suite.get("tests"), suite.get("failures")) == (str(len(all_checks())), "0")

    for nodes in ((WORKER,), (WORKER, OTHER)):
        with started("verify", *nodes) as running:
            until(lambda: bool(kubectl.json(*PROOFS)["items"]))
            running.process.send_signal(signal.SIGINT)
            interrupted = running.end()
        assert interrupted.returncode == 1
        assert "interrupted" in interrupted.stderr
        assert "Traceback" not in interrupted.stderr
        until(lambda: not kubectl.json(*PROOFS)["items"])
        for machine in (worker, other):
            assert "nodeprov-proof" not in machine.run("ctr -n k8s.io images ls -q")
