"""What is said of workloads as well-known charts make them, in what matters for a sandbox: no more and no less.

The first line of each manifest has what its pods meet there. It was written by hand, from what pods of these
fields do in the sandbox and beside it under runc. tests/lab/test_check.py runs a pair of them for many of the
behaviours, with the image of the lab: those of the charts are not there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.workloads.meets import known, met
from nodeprov.workloads.pods import Workload, workloads

MANIFESTS = sorted((Path(__file__).parents[2] / "support" / "manifests").glob("*.yaml"))
FIRST = "# meets:"


def meant(path: Path) -> set[str]:
    first = path.read_text().partition("\n")[0]
    assert first.startswith(FIRST)
    return {each.strip() for each in first.removeprefix(FIRST).split(",") if each.strip()}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_chart_meets_what_its_pods_meet(path: Path) -> None:
    (found,) = workloads(path.read_text(), path.name)
    assert isinstance(found, Workload)
    assert {each.behaviour.id for each in met(found)} == meant(path)


def test_they_are_enough_and_some_of_them_meet_nothing() -> None:
    assert len(MANIFESTS) >= 40
    assert sum(not meant(path) for path in MANIFESTS) >= 4


def test_each_behaviour_that_is_looked_for_is_met_by_one_of_them() -> None:
    assert {name for path in MANIFESTS for name in meant(path)} == known()
