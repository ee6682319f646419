"""What a sandbox costs, reckoned from measurements: a line through them, and what to reserve for a pod."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

MEBIBYTE = 1 << 20
STEP = 8 * MEBIBYTE
"""What is proposed is a multiple of this: finer steps say more than a few pods can show."""


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes as `base` and `slope` times the containers, by least squares.

    Attributes:
        count: through how many points.
        spread: the standard deviation of the points around it.
        middle: the mean of the points' containers.
        width: the sum of the squares of their distances from the middle.
    """

    base: float
    slope: float
    count: int
    spread: float
    middle: float
    width: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, float]]) -> Line:
        """Fit one; raise ValueError for fewer than three points, or points at one place only."""
        if len(points) < 3 or len({x for x, _ in points}) < 2:
            raise ValueError("a line needs three points, and two places")
        count, middle, height = len(points), fmean(x for x, _ in points), fmean(y for _, y in points)
        width = sum((x - middle) ** 2 for x, _ in points)
        slope = sum((x - middle) * (y - height) for x, y in points) / width
        base = height - slope * middle
        left = sum((y - base - slope * x) ** 2 for x, y in points)
        return cls(base, slope, count, math.sqrt(left / (count - 2)), middle, width)

    def at(self, containers: int) -> float:
        """Return the bytes of a pod of so many containers."""
        return self.base + self.slope * containers

    @property
    def base_error(self) -> float:
        """Half of the interval in which the base is with 95 %."""
        return self._t(0.975) * self.spread * math.sqrt(1 / self.count + self.middle**2 / self.width)

    @property
    def slope_error(self) -> float:
        """Half of the interval in which the slope is with 95 %."""
        return self._t(0.975) * self.spread / math.sqrt(self.width)

    def bound(self, containers: int) -> float:
        """Return what 95 % of pods of so many containers stay below."""
        distance = (containers - self.middle) ** 2 / self.width
        return self.at(containers) + self._t(0.95) * self.spread * math.sqrt(1 + 1 / self.count + distance)

    def _t(self, share: float) -> float:
        return student(share, self.count - 2)


def student(share: float, degrees: int) -> float:
    """Return the quantile of Student's distribution (Abramowitz and Stegun 26.7.5; to 1 % from 5 degrees on)."""
    z = NormalDist().inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def rounded_up(size: float) -> int:
    """Round bytes up to the next step."""
    return math.ceil(size / STEP) * STEP


def that_fit(allocatable: int, pods: int, request: int, overhead: int) -> int:
    """Say how many pods fit on a node by memory, and by how many pods it may have."""
    return min(pods, allocatable // (request + overhead)) if request + overhead else pods
