"""What a calibration has found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nodeprov.workloads.calibration import Calibration
from nodeprov.workloads.overhead import MEBIBYTE, Line, that_fit

POLLED_SECONDS = 10
"""How often kubelet asks for the statistics of pods (kubernetes: housekeeping-interval)."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a node has for pods: bytes, and how many; `request` is what each asks for besides the overhead."""

    allocatable: int
    pods: int
    request: int

    def fit(self, overhead: int) -> int:
        """Say how many pods fit with such an overhead."""
        return that_fit(self.allocatable, self.pods, self.request, overhead)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the RuntimeClass reserves now, and is to reserve, in bytes, for pods of so many containers."""

    containers: int
    now: int
    value: int
    room: Room

    @property
    def quantity(self) -> str:
        """The value as Kubernetes writes it."""
        return f"{self.value // MEBIBYTE}Mi"


def text(found: Calibration, proposal: Proposal) -> str:
    """Write it for people."""
    return "\n".join([*_memory(found), *_time(found), *_said_of(found, proposal)])


def _memory(found: Calibration) -> Iterator[str]:
    inside = found.inside
    yield f"{found.node}: what the sandbox adds to a pod, beside the same pod without it"
    yield f"  memory of the pod's cgroup: {_line(inside)} (95 %, {inside.count} pods)"
    for shape, size in found.loads.items():
        yield f"    and with {shape.count} {shape.load} of one container: {_mebibytes(size, sign=True)}"
    yield f"    the most since the start of a pod of one container: {_mebibytes(found.peak)}"
    yield f"  memory that no pod's cgroup accounts for: {_line(found.outside)}"
    yield "    kubelet's --kube-reserved or --system-reserved is to cover that"


def _line(line: Line) -> str:
    return (
        f"{_mebibytes(line.base)} (± {_number(line.base_error)}) + {_mebibytes(line.slope)} "
        f"(± {_number(line.slope_error)}) for each container"
    )


def _time(found: Calibration) -> Iterator[str]:
    sandboxed, plain = found.idle[True], found.idle[False]
    yield (
        f"  processor time of an idle pod: {sandboxed.inside:.1f} millicores in its cgroup, and "
        f"{sandboxed.outside:.1f} outside of it (without a sandbox {plain.inside:.1f} and {plain.outside:.1f}): "
        f"that is kubelet, which asks for statistics every {POLLED_SECONDS} s"
    )
    quick, slow = found.pace[False], found.pace[True]
    yield f"  start: {slow.start_seconds:.2f} s (without {quick.start_seconds:.2f} s; medians of {slow.count})"
    for name, rate in slow.calls.items():
        yield f"  {name}: {rate:,.0f} calls per second (without {quick.calls[name]:,.0f})"


def _said_of(found: Calibration, proposal: Proposal) -> Iterator[str]:
    room, containers = proposal.room, proposal.containers
    now, then = room.fit(proposal.now), room.fit(proposal.value)
    yield (
        f"proposed for pods of up to {containers} container{'' if containers == 1 else 's'}: {proposal.quantity} "
        f"(95 % stay below {_mebibytes(found.needed(containers))}, with the largest of the above in one of them)"
    )
    reserved = _mebibytes(proposal.now) if proposal.now else "nothing"
    yield (
        f"RuntimeClass {found.runtime_class} reserves {reserved}: of pods that ask for {_mebibytes(room.request)} "
        f"{now} fit on {found.node}; with {proposal.quantity} {then}: {_more(then - now)}"
    )


def _more(difference: int) -> str:
    if not difference:
        return "as many"
    return f"{abs(difference)} {'more' if difference > 0 else 'fewer'}"


def _number(size: float) -> str:
    return f"{size / MEBIBYTE:.1f}"


def _mebibytes(size: float, *, sign: bool = False) -> str:
    return f"{size / MEBIBYTE:{'+' if sign else ''}.1f} MiB"


def as_json(found: Calibration, proposal: Proposal) -> dict[str, Any]:
    """Write it as plain values; sizes are bytes."""
    return {
        "node": found.node,
        "runtime_class": found.runtime_class,
        "inside": _line_json(found.inside),
        "outside": _line_json(found.outside),
        "loads": [
            {"load": shape.load, "count": shape.count, "bytes": round(size)} for shape, size in found.loads.items()
        ],
        "peak": found.peak,
        "idle_millicores": {_side(side): asdict(cpu) for side, cpu in found.idle.items()},
        "pace": {_side(side): asdict(pace) for side, pace in found.pace.items()},
        "samples": [
            {
                **asdict(each.shape),
                "sandboxed": each.is_sandboxed,
                "working": each.working,
                "outside": each.outside,
            }
            for each in found.samples
        ],
        "proposed": {
            "containers": proposal.containers,
            "needed": round(found.needed(proposal.containers)),
            "bytes": proposal.value,
            "now": proposal.now,
            "fit": proposal.room.fit(proposal.value),
            "fit_now": proposal.room.fit(proposal.now),
        },
    }


def _side(is_sandboxed: bool) -> str:  # noqa: FBT001  the key of a mapping
    return "sandbox" if is_sandboxed else "plain"


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "base": round(line.base),
        "base_error": round(line.base_error),
        "per_container": round(line.slope),
        "per_container_error": round(line.slope_error),
        "pods": line.count,
    }
