"""The line through what was measured."""

from __future__ import annotations

import pytest

from nodeprov.workloads.overhead import STEP, Line, rounded_up, student, that_fit

# y by hand: for x = 1…5 the residuals are 1, -2, 1, 1, -1 around 10 + 3x, of which the fit takes a part.
POINTS = [(1, 14.0), (2, 14.0), (3, 20.0), (4, 23.0), (5, 24.0)]


def test_a_line_is_fitted_by_least_squares() -> None:
    line = Line.through(POINTS)
    assert [line.slope, line.base, line.count] == pytest.approx([2.9, 10.3, 5])
    left = sum((y - 10.3 - 2.9 * x) ** 2 for x, y in POINTS)
    assert line.spread == pytest.approx((left / 3) ** 0.5)
    assert line.at(3) == pytest.approx(19.0)


def test_points_on_a_line_leave_no_doubt() -> None:
    line = Line.through([(x, 24.0 + 7 * x) for x in (1, 2, 3, 4, 5)])
    assert [line.base, line.slope] == pytest.approx([24, 7])
    assert [line.base_error, line.slope_error] == pytest.approx([0, 0], abs=1e-9)
    assert line.bound(2) == pytest.approx(38)


def test_the_intervals_are_those_of_the_books() -> None:
    line = Line.through(POINTS)
    assert line.slope_error == pytest.approx(3.182 * line.spread / 10**0.5, rel=0.02)
    assert line.base_error == pytest.approx(3.182 * line.spread * (1 / 5 + 9 / 10) ** 0.5, rel=0.02)
    assert line.bound(5) == pytest.approx(24.8 + 2.353 * line.spread * (1 + 1 / 5 + 4 / 10) ** 0.5, rel=0.02)
    assert line.bound(5) - line.at(5) > line.bound(3) - line.at(3)


@pytest.mark.parametrize(
    ("share", "degrees", "known"), [(0.975, 5, 2.571), (0.975, 13, 2.160), (0.95, 13, 1.771), (0.95, 1000, 1.646)]
)
def test_quantiles_are_those_of_the_tables(share: float, degrees: int, known: float) -> None:
    assert student(share, degrees) == pytest.approx(known, rel=0.01)


@pytest.mark.parametrize("points", [[], [(1, 1.0), (2, 2.0)], [(1, 1.0)] * 5])
def test_too_few_points_are_no_line(points: list[tuple[int, float]]) -> None:
    with pytest.raises(ValueError, match="three points"):
        Line.through(points)


def test_what_is_proposed_is_whole_steps() -> None:
    assert [rounded_up(each) // STEP for each in (1, STEP, STEP + 1)] == [1, 1, 2]


def test_pods_fit_by_memory_and_by_their_number() -> None:
    assert that_fit(1000, 110, 80, 20) == 10
    assert that_fit(1000, 5, 80, 20) == 5
    assert that_fit(1000, 5, 0, 0) == 5
