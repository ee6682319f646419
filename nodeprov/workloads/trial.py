"""How a workload's shadow went in the sandbox, and beside it under runc."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nodeprov.workloads.catalogue import Behaviour
from nodeprov.workloads.explain import Explanation

_MEBIBYTE = 1 << 20
_STUCK = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)
"""What kubelet says of a container that will not get on by itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one of the two pods went.

    Attributes:
        started: whether all containers have run.
        ready: whether all are ready, or have ended well.
        seconds: from the pod's creation until then; None if it did not come to that.
        pulled: whether an image was pulled in that time.
        restarts: of all containers.
        memory_bytes: what the pod takes, with its sandbox; None if kubelet does not say.
        said: why it did not get on; "" if it did.
    """

    started: bool
    ready: bool
    seconds: float | None
    pulled: bool
    restarts: int
    memory_bytes: int | None
    said: str

    @classmethod
    def of(cls, pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], memory_bytes: int | None) -> Run:
        """Read it of a pod as kubectl shows it, and of its events."""
        status = pod.get("status", {})
        states = [each.get("state", {}) for each in status.get("containerStatuses", ())]
        ready = is_ready(pod)
        mine = [each for each in events if each["involvedObject"].get("name") == pod["metadata"]["name"]]
        return cls(
            started=bool(states) and all("running" in each or "terminated" in each for each in states),
            ready=ready,
            seconds=_seconds(pod) if ready else None,
            pulled=any(each.get("reason") == "Pulling" for each in mine),
            restarts=sum(each.get("restartCount", 0) for each in status.get("containerStatuses", ())),
            memory_bytes=memory_bytes,
            said="" if ready else _said(status, states, mine),
        )


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether all of a pod is ready, or has ended well."""
    return pod.get("status", {}).get("phase") == "Succeeded" or bool(_condition(pod, "Ready"))


def has_settled(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod has come as far as it will soon."""
    status = pod.get("status", {})
    of_all = (each for key in ("initContainerStatuses", "containerStatuses") for each in status.get(key, ()))
    waiting = {(each.get("state", {}).get("waiting") or {}).get("reason") for each in of_all}
    return is_ready(pod) or status.get("phase") == "Failed" or bool(waiting & {*_STUCK})


def _condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    conditions = pod.get("status", {}).get("conditions", ())
    return next((each for each in conditions if (each["type"], each["status"]) == (kind, "True")), None)


def _seconds(pod: Mapping[str, Any]) -> float | None:
    condition = _condition(pod, "Ready") or _condition(pod, "Initialized")
    if condition is None:
        return None
    created, then = pod["metadata"]["creationTimestamp"], condition["lastTransitionTime"]
    return (datetime.fromisoformat(then) - datetime.fromisoformat(created)).total_seconds()


def _said(
    status: Mapping[str, Any], states: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> str:
    """Say what keeps a pod from getting on: by its containers, its events, or itself."""
    of_containers = [
        f"{kind.get('reason', '')}: {kind.get('message', '')}".rstrip(": ")
        for each in states
        for kind in (each.get("waiting") or {}, each.get("terminated") or {})
        if kind.get("reason")
    ]
    of_events = [each.get("message", "") for each in events if each.get("type") == "Warning"][-2:]
    found = dict.fromkeys([*of_containers, *of_events, status.get("message", "")])
    return "; ".join(filter(None, found)) or "it is not ready"


@dataclass(frozen=True, slots=True)
class Trial:
    """A workload that was tried: both pods, what is known of it, and what the sandbox noted."""

    title: str
    node: str
    sandbox: Run
    runc: Run | None
    left_out: tuple[str, ...]
    calls: tuple[str, ...] | None
    """Calls that the sandbox did not know; None where that could not be read."""
    meets: tuple[Behaviour, ...]
    explanations: tuple[Explanation, ...]

    @property
    def is_worse(self) -> bool:
        """Tell whether it does not get as far as it does without the sandbox, or not at all."""
        return not self.sandbox.ready or bool(self.runc and self.sandbox.restarts > self.runc.restarts)

    def lines(self) -> Iterator[str]:
        """Write it for people."""
        yield f"{self.title} on {self.node or 'no node'}: in the sandbox, and beside it under runc"
        for name, value in (
            ("started", lambda run: "yes" if run.started else "no"),
            ("ready", lambda run: "yes" if run.ready else "no"),
            ("seconds", _time),
            ("memory", _memory),
            ("restarts", lambda run: str(run.restarts)),
        ):
            sandbox, runc = (value(run) if run else "-" for run in (self.sandbox, self.runc))
            yield f"  {name:10}{sandbox:24}{runc}"
        for name, run in (("sandbox", self.sandbox), ("runc", self.runc)):
            if run and run.said:
                yield f"  {name}: {run.said}"
        for each in self.explanations:
            yield f"    {each.cause}: {each.remedy}"
        for left in self.left_out:
            yield f"  left out: {left}"
        if self.calls is None:
            yield "  the sandbox's notes could not be read: its node is not in the inventory, or does not answer"
        for call in self.calls or ():
            yield f"  not known to the sandbox: {call}"
        for one in self.meets:
            yield f"  {one.id}: {one.title}: {one.sandbox}\n    cure: {one.cure}"

    def as_json(self) -> dict[str, Any]:
        """Write it as plain values."""
        return {
            "workload": self.title,
            "node": self.node,
            "sandbox": _json(self.sandbox),
            "runc": _json(self.runc) if self.runc else None,
            "left_out": list(self.left_out),
            "calls": None if self.calls is None else list(self.calls),
            "met": [{"id": each.id, "effect": each.effect.value, "cure": each.cure} for each in self.meets],
            "explanations": [
                {"id": each.id, "cause": each.cause, "remedy": each.remedy} for each in self.explanations
            ],
        }


def _time(run: Run) -> str:
    if run.seconds is None:
        return "-"
    return f"{run.seconds:.0f}{' (an image was pulled)' if run.pulled else ''}"


def _memory(run: Run) -> str:
    return "not known" if run.memory_bytes is None else f"{run.memory_bytes / _MEBIBYTE:.0f} MiB"


def _json(run: Run) -> dict[str, Any]:
    return {
        "started": run.started,
        "ready": run.ready,
        "seconds": run.seconds,
        "pulled": run.pulled,
        "restarts": run.restarts,
        "memory_bytes": run.memory_bytes,
        "said": run.said,
    }
