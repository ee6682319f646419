"""What is made of the measurements of a node: the lines, the loads, the proposal, and how it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodeprov.workloads import calibration_report as report
from nodeprov.workloads.calibration import IDLE, LOADS, Calibration, IdleCpu, Pace, Sample, Shape
from nodeprov.workloads.calibration_report import Proposal, Room
from nodeprov.workloads.overhead import MEBIBYTE

PLAIN, OUTSIDE = 2 * MEBIBYTE, 5 * MEBIBYTE


def measured(*, per_load: int = 3) -> Calibration:
    """24 MiB for the first container and 7 for each more, 9 MiB a container outside; each load adds some more."""

    def sample(shape: Shape, *, sandboxed: bool) -> Sample:
        added = (17 + 7 * shape.containers + (per_load if shape.count else 0)) * MEBIBYTE * sandboxed
        more = 9 * shape.containers * MEBIBYTE * sandboxed
        return Sample(shape, sandboxed, PLAIN + added, OUTSIDE + more, PLAIN + added + MEBIBYTE)

    samples = [sample(shape, sandboxed=side) for shape in (*IDLE, *LOADS) for side in (True, True, True, False)]
    pace = {side: Pace(1.5 if side else 0.5, {"stat": 100.0 if side else 1e6}, 3) for side in (True, False)}
    idle = {True: IdleCpu(1.2, 11.7), False: IdleCpu(0.0, 1.3)}
    return Calibration("worker1", "gvisor", tuple(samples), idle, pace)


def proposal(found: Calibration, containers: int = 1, now: int = 64) -> Proposal:
    room = Room(allocatable=1024 * MEBIBYTE, pods=110, request=64 * MEBIBYTE)
    return Proposal(containers, now * MEBIBYTE, found.proposed(containers), room)


def test_what_the_same_pod_has_without_the_sandbox_is_taken_off() -> None:
    found = measured()
    inside, outside = found.inside, found.outside
    assert [inside.base, inside.slope] == pytest.approx([17 * MEBIBYTE, 7 * MEBIBYTE])
    assert [outside.base, outside.slope] == pytest.approx([0, 9 * MEBIBYTE], abs=1)
    assert inside.count == 15
    assert [*found.loads.values()] == pytest.approx([3 * MEBIBYTE] * len(LOADS))
    assert found.peak == PLAIN + 25 * MEBIBYTE


def test_what_is_proposed_has_room_for_the_largest_load() -> None:
    assert measured().needed(1) == pytest.approx(27 * MEBIBYTE)
    assert measured().proposed(1) == 32 * MEBIBYTE
    assert measured().proposed(5) == 56 * MEBIBYTE
    assert measured(per_load=-5).needed(1) == pytest.approx(24 * MEBIBYTE)  # less than nothing is no room


def test_one_pod_that_differs_widens_what_is_needed() -> None:
    found = measured()
    odd = replace(found.samples[0], working=found.samples[0].working + 6 * MEBIBYTE)
    assert replace(found, samples=(odd, *found.samples[1:])).needed(1) > found.needed(1) + 2 * MEBIBYTE


def test_medians_are_kept_of_starts_and_calls() -> None:
    pace = Pace.of([3.0, 1.0, 2.0], [{"stat": 10.0}, {"stat": 30.0}, {"stat": 20.0}])
    assert pace == Pace(2.0, {"stat": 20.0}, 3)


def test_people_read_what_it_means_for_the_node() -> None:
    text = report.text(measured(), proposal(measured()))
    for said in (
        "17.0 MiB (± 0.0) + 7.0 MiB (± 0.0) for each container (95 %, 15 pods)",
        "with 10 processes of one container: +3.0 MiB",
        "1.2 millicores in its cgroup, and 11.7 outside of it (without a sandbox 0.0 and 1.3)",
        "start: 1.50 s (without 0.50 s; medians of 3)",
        "stat: 100 calls per second (without 1,000,000)",
        "proposed for pods of up to 1 container: 32Mi (95 % stay below 27.0 MiB",
        "reserves 64.0 MiB: of pods that ask for 64.0 MiB 8 fit on worker1; with 32Mi 10: 2 more",
    ):
        assert said in text


def test_programs_read_the_same() -> None:
    value = json.loads(json.dumps(report.as_json(measured(), proposal(measured()))))
    assert value["inside"]["per_container"] == 7 * MEBIBYTE
    assert value["proposed"] == {
        "containers": 1,
        "needed": 27 * MEBIBYTE,
        "bytes": 32 * MEBIBYTE,
        "now": 64 * MEBIBYTE,
        "fit": 10,
        "fit_now": 8,
    }
    assert set(value["pace"]) == set(value["idle_millicores"]) == {"sandbox", "plain"}
    assert len(value["samples"]) == 4 * (len(IDLE) + len(LOADS))
