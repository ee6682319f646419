"""Waves as a person reads them."""

from __future__ import annotations

from nodeprov.reports.rollout import waves_text


def test_waves_are_counted_and_named_with_the_soak_time_between() -> None:
    waves = [("canary", ("w1",)), ("canary", ("w2",)), ("wave", ("w3", "w4")), ("control-plane", ("cp1",))]
    assert waves_text(waves, 600).splitlines() == [
        "rollout: 5 nodes in 4 waves",
        "  1. canary: w1",
        "  2. canary: w2",
        "     soak: 600 s, then they are tested once more",
        "  3. wave: w3, w4",
        "  4. control plane: cp1",
    ]


def test_without_canaries_nothing_is_waited_for() -> None:
    assert "soak" not in waves_text([("wave", ("w1", "w2"))], 600)


def test_one_is_not_told_as_many() -> None:
    assert waves_text([("wave", ("w1",))], 0).startswith("rollout: 1 node in 1 wave\n")
