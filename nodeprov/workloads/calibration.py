"""What a sandbox costs on a node, as it was measured: memory, processor time, the start, system calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from nodeprov.workloads.overhead import Line, rounded_up


@dataclass(frozen=True, slots=True)
class Shape:
    """A pod that is measured: its containers, and what its first program holds, and how many of that."""

    containers: int = 1
    load: str = "nothing"
    count: int = 0


IDLE = tuple(Shape(number) for number in range(1, 6))
LOADS = (
    Shape(1, "processes", 10),
    Shape(1, "threads", 100),
    Shape(1, "mounts", 20),
    Shape(1, "connections", 100),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One pod that was measured, in bytes; `outside` is what no cgroup of a pod has, `peak` its most so far."""

    shape: Shape
    is_sandboxed: bool
    working: int
    outside: int
    peak: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How quick a pod is: seconds until it runs, and calls per second by their kinds; medians of `count` pods."""

    start_seconds: float
    calls: Mapping[str, float]
    count: int

    @classmethod
    def of(cls, starts: Sequence[float], calls: Sequence[Mapping[str, float]]) -> Pace:
        """Take the medians."""
        return cls(median(starts), {name: median(each[name] for each in calls) for name in calls[0]}, len(starts))


@dataclass(frozen=True, slots=True)
class IdleCpu:
    """What a pod of one container that does nothing takes, in millicores: in its cgroup, and outside of it."""

    inside: float
    outside: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that was measured on a node.

    `sandbox` and `control` are of pods in the sandbox, and of the same pods without it.
    """

    node: str
    runtime_class: str
    samples: tuple[Sample, ...]
    idle: Mapping[bool, IdleCpu]
    """By whether the pod is sandboxed."""
    pace: Mapping[bool, Pace]

    @property
    def inside(self) -> Line:
        """What the sandbox adds to the pod's cgroup, by containers: what the RuntimeClass's overhead is for."""
        return Line.through([(each.shape.containers, self._added(each)) for each in self._sandboxed(IDLE)])

    @property
    def outside(self) -> Line:
        """What the sandbox adds where no pod's cgroup accounts for it, by containers."""
        return Line.through(
            [
                (each.shape.containers, each.outside - self._control(each.shape, "outside"))
                for each in self._sandboxed(IDLE)
            ]
        )

    @property
    def loads(self) -> dict[Shape, float]:
        """What the sandbox adds for each load, beyond what it adds for a pod of one container that has none."""
        none = self._mean_added(Shape())
        return {shape: self._mean_added(shape) - none for shape in LOADS}

    @property
    def peak(self) -> int:
        """The most that a sandboxed pod of one container has had since its start, with what could be dropped."""
        return max(each.peak for each in self._sandboxed([Shape()]))

    def needed(self, containers: int) -> float:
        """Return what 95 % of pods of so many containers stay below, with the largest of the loads."""
        return self.inside.bound(containers) + max(0.0, *self.loads.values())

    def proposed(self, containers: int) -> int:
        """Return what the RuntimeClass is to reserve for a pod of so many containers, in bytes."""
        return rounded_up(self.needed(containers))

    def _sandboxed(self, shapes: Iterable[Shape]) -> list[Sample]:
        wanted = set(shapes)
        return [each for each in self.samples if each.is_sandboxed and each.shape in wanted]

    def _control(self, shape: Shape, name: str) -> float:
        return fmean(getattr(each, name) for each in self.samples if each.shape == shape and not each.is_sandboxed)

    def _added(self, sample: Sample) -> float:
        return sample.working - self._control(sample.shape, "working")

    def _mean_added(self, shape: Shape) -> float:
        return fmean(self._added(each) for each in self._sandboxed([shape]))
